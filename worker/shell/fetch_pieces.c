/* What goes over the wire in a copy: the donor's manifest, then pieces of all its files, a few
 * asked for ahead on each connection. The donor may be anybody's program: an answer counts only if
 * it was asked for, and has the length that the manifest says. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "worker/shell/fetch.h"

enum {
    PASS_WAIT_MS = 5000, /* the head's word to the donor may be slower than the one to us */
    PASS_PAUSE_MS = 100,
    ASKS_FIRST = 2,     /* on a connection; one more with each answer */
    ASKS_MAX = 4,       /* of each, when there are several */
    ASKS_ALONE_MAX = 8, /* of a single one; a donor keeps no more than 16 answers */
    ANSWER_ARENA_BYTES = 16 << 10,
    DONOR_TEXT_MAX = 200,
};

/* ---- connections ---- */

copy_end fetch_connect(struct fetch *fetch, uint32_t n)
{
    while (fetch->n_connections < n && fetch->n_connections < FETCH_CLIENTS_MAX) {
        struct report report = {0};
        error_code error =
            curve_client_open(fetch->clients, fetch->lender, fetch->lender_key, ASKS_ALONE_MAX,
                              &fetch->connections[fetch->n_connections], &report);
        if (error != OK) {
            return fetch_fail(fetch, COPY_AGAIN, "node '%s' cannot be reached: %.400s", fetch->node,
                              report.text);
        }
        fetch->n_connections++;
    }
    return COPY_DONE;
}

void fetch_disconnect(struct fetch *fetch)
{
    while (fetch->n_connections > 0) {
        curve_client_close(fetch->connections[--fetch->n_connections]);
    }
}

/* ---- questions and answers ---- */

/* 0: it cannot leave. */
static uint64_t ask_send(struct fetch *fetch, uint32_t connection, const char *path,
                         uint64_t offset, uint32_t size)
{
    const struct msg_file_get get = {
        .request = ++fetch->last_request,
        .name = fetch->name,
        .pass = {fetch->pass, PASS_BYTES},
        .path = path,
        .offset = offset,
        .size = size,
    };
    CLEANUP(buf_fini) struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    bool is_sent = message_encode(MSG_FILE_GET, &get, &frame) == OK &&
                   curve_client_send(fetch->connections[connection], buf_bytes(&frame));
    return is_sent ? get.request : 0;
}

void fetch_thank(struct fetch *fetch)
{
    if (fetch->n_connections > 0) {
        (void)ask_send(fetch, 0, "", 0, 0);
    }
}

/* Its bytes are valid until the next one of the same connection. */
struct answer {
    struct arena arena;
    const struct msg_file *file;
};

static bool answer_read(struct answer *answer, struct bytes frame)
{
    message_type type;
    void *message;
    arena_init(&answer->arena, ANSWER_ARENA_BYTES);
    if (message_type_of(frame) != MSG_FILE ||
        message_decode_borrowing(frame, &answer->arena, &type, &message, NULL) != OK) {
        arena_fini(&answer->arena);
        return false;
    }
    answer->file = message;
    return true;
}

/* The next one of any connection, each in its turn. */
static bool answer_take(struct fetch *fetch, struct answer *answer)
{
    for (uint32_t i = 0; i < fetch->n_connections; i++) {
        uint32_t at = (fetch->next_connection + i) % fetch->n_connections;
        struct bytes frame;
        if (curve_client_receive(fetch->connections[at], &frame) == OK &&
            answer_read(answer, frame)) {
            fetch->next_connection = at + 1;
            return true;
        }
    }
    return false;
}

/* COPY_DONE: *answer is to be fini'd. */
static copy_end answer_wait(struct fetch *fetch, struct answer *answer)
{
    while (!atomic_load(fetch->must_stop)) {
        int64_t left = fetch->heard_at + fetch->silence_max - clock_now();
        if (left <= 0) {
            return fetch_fail(fetch, COPY_AGAIN, "node '%s' at %s sent nothing for %d s",
                              fetch->node, fetch->lender, (int)(fetch->silence_max / 1000));
        }
        if (answer_take(fetch, answer)) {
            return COPY_DONE;
        }
        error_code error = curve_clients_wait(fetch->connections, fetch->n_connections, left);
        if (error == ERR_UNREACHABLE) {
            return fetch_fail(fetch, COPY_AGAIN, "node '%s' cannot be reached at %s, or went away",
                              fetch->node, fetch->lender);
        }
        if (error == ERR_CLOSED) {
            break;
        }
    }
    return fetch_fail(fetch, COPY_AGAIN, "this node's agent leaves");
}

/* What an answer other than FILE_OK makes of the copy. */
static copy_end answer_refused(struct fetch *fetch, const struct msg_file *file)
{
    const char *text = file->text != NULL ? file->text : "";
    switch (file->word) {
    case FILE_OK:
        return COPY_DONE;
    case FILE_NO_PASS:
        return fetch_fail(fetch, COPY_AGAIN, "node '%s' does not know the pass for it",
                          fetch->node);
    case FILE_GONE:
        return fetch_fail(fetch, COPY_GONE, "node '%s' has it no more: %.*s", fetch->node,
                          DONOR_TEXT_MAX, text);
    case FILE_FAILED:
        break;
    }
    return fetch_fail(fetch, COPY_AGAIN, "node '%s' cannot read it now: %.*s", fetch->node,
                      DONOR_TEXT_MAX, text);
}

/* ---- the manifest ---- */

static copy_end manifest_piece_take(struct fetch *fetch, const struct msg_file *file,
                                    uint64_t *total, struct buf *text)
{
    uint64_t left = file->total - text->len;
    uint64_t size = left < FILE_PIECE_MAX_BYTES ? left : FILE_PIECE_MAX_BYTES;
    if (file->total == 0 || file->total > MANIFEST_MAX_BYTES || file->data.len != size ||
        (*total != 0 && file->total != *total)) {
        return fetch_fail(fetch, COPY_GONE, "the " MANIFEST_NAME " at node '%s' is damaged",
                          fetch->node);
    }
    *total = file->total;
    return buf_append(text, file->data.data, file->data.len) == OK
               ? COPY_DONE
               : fetch_fail(fetch, COPY_FAILED, "no memory for a copy");
}

/* A pass that is not known yet is waited for. */
static bool pass_is_late(struct fetch *fetch, const struct msg_file *file, time_ms *give_up_at)
{
    time_ms now = clock_now();
    if (file->word != FILE_NO_PASS) {
        return false;
    }
    *give_up_at = *give_up_at == 0 ? now + PASS_WAIT_MS : *give_up_at;
    if (now >= *give_up_at) {
        return false;
    }
    ignore_error(curve_clients_wait(fetch->connections, fetch->n_connections, PASS_PAUSE_MS),
                 "what is wrong is found by the next question");
    return true;
}

copy_end fetch_manifest(struct fetch *fetch, struct buf *text)
{
    uint64_t total = 0;
    time_ms give_up_at = 0;
    while (fetch->end == COPY_DONE && (total == 0 || text->len < total)) {
        struct answer answer;
        uint64_t request = ask_send(fetch, 0, MANIFEST_NAME, text->len, FILE_PIECE_MAX_BYTES);
        fetch->heard_at = clock_now();
        if (request == 0) {
            return fetch_fail(fetch, COPY_AGAIN, "this node's agent leaves");
        }
        bool is_its = false;
        while (!is_its) {
            if (answer_wait(fetch, &answer) != COPY_DONE) {
                return fetch->end;
            }
            is_its = answer.file->request == request;
            if (is_its && !pass_is_late(fetch, answer.file, &give_up_at) &&
                answer_refused(fetch, answer.file) == COPY_DONE) {
                manifest_piece_take(fetch, answer.file, &total, text);
            }
            arena_fini(&answer.arena);
        }
    }
    return fetch->end;
}

/* ---- the files ---- */

struct ask {
    uint64_t request;
    uint32_t connection;
    struct fetch_piece piece;
};

struct window {
    struct ask asks[FETCH_CLIENTS_MAX * ASKS_ALONE_MAX];
    uint32_t n_asks;
    uint32_t n_of[FETCH_CLIENTS_MAX]; /* asked on each connection */
    uint32_t limits[FETCH_CLIENTS_MAX];
    uint64_t next; /* no piece below it is left to be asked for */
};

static bool window_ask(struct fetch *fetch, struct window *window, uint32_t connection,
                       const struct fetch_piece *piece)
{
    uint64_t request = ask_send(fetch, connection, piece->file->name, piece->offset, piece->size);
    if (request == 0) {
        fetch_fail(fetch, COPY_AGAIN, "this node's agent leaves");
        return false;
    }
    window->asks[window->n_asks++] = (struct ask){request, connection, *piece};
    window->n_of[connection]++;
    window->next = piece->number + 1;
    return true;
}

/* Round the connections, so that each has its share of a few pieces, too. */
static void window_fill(struct fetch *fetch, struct window *window)
{
    bool has_room = true;
    while (has_room) {
        has_room = false;
        for (uint32_t i = 0; i < fetch->n_connections; i++) {
            struct fetch_piece piece;
            if (window->n_of[i] >= window->limits[i]) {
                continue;
            }
            if (!fetch_staging_next(fetch->staging, window->next, &piece) ||
                !window_ask(fetch, window, i, &piece)) {
                return;
            }
            has_room = true;
        }
    }
}

static void piece_take(struct fetch *fetch, const struct ask *ask, const struct msg_file *file)
{
    if (answer_refused(fetch, file) != COPY_DONE) {
        return;
    }
    if (file->total != ask->piece.file->size || file->data.len != ask->piece.size) {
        fetch_fail(fetch, COPY_GONE, "its file '%.200s' at node '%s' is not as long as it was",
                   ask->piece.file->name, fetch->node);
        return;
    }
    if (fetch_staging_write(fetch->staging, &ask->piece, file->data, &fetch->report) != OK) {
        fetch->end = COPY_FAILED;
    }
    fetch->heard_at = clock_now(); /* now: that the disk here is slow is no silence of the donor */
}

static void window_take(struct fetch *fetch, struct window *window, const struct msg_file *file)
{
    uint32_t most = fetch->n_connections > 1 ? ASKS_MAX : ASKS_ALONE_MAX;
    for (uint32_t i = 0; i < window->n_asks; i++) {
        struct ask ask = window->asks[i];
        if (ask.request == file->request) {
            window->asks[i] = window->asks[--window->n_asks];
            window->n_of[ask.connection]--;
            window->limits[ask.connection] += window->limits[ask.connection] < most;
            piece_take(fetch, &ask, file);
            return;
        }
    }
}

copy_end fetch_files(struct fetch *fetch)
{
    struct window window = {.limits = {ASKS_FIRST, ASKS_FIRST, ASKS_FIRST, ASKS_FIRST}};
    fetch->heard_at = clock_now();
    for (;;) {
        struct answer answer;
        if (fetch->end == COPY_DONE) {
            window_fill(fetch, &window);
        }
        if (fetch->end != COPY_DONE || window.n_asks == 0 ||
            answer_wait(fetch, &answer) != COPY_DONE) {
            return fetch->end;
        }
        window_take(fetch, &window, answer.file);
        arena_fini(&answer.arena);
    }
}
