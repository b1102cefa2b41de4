#include "cli/trial_talk.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

enum { SILENT_SECONDS = 10, LINE_BYTES_MAX = 64 << 10 };

static talk_outcome talk_silent(const char *why)
{
    fprintf(stderr, "muster: %s; training goes on\n", why);
    return TALK_SILENT;
}

/* A rank of the environment says which one it is, on each of its connections. */
static talk_outcome talk_rank(struct trial_talk *talk)
{
    const char *rank = getenv("MUSTER_RANK"), *world = getenv("MUSTER_WORLD");
    if (rank == NULL || world == NULL) {
        rank = getenv("RANK");
        world = getenv("WORLD_SIZE");
    }
    long number = rank != NULL ? strtol(rank, NULL, 10) : 0;
    long n = world != NULL ? strtol(world, NULL, 10) : 0;
    if (n < 2 || number < 0 || number >= n) {
        return TALK_ANSWERED;
    }
    json_t *answer = NULL;
    json_t *hello = json_pack("{s:i,s:[],s:I,s:I}", "hello", 1, "can", "rank", (json_int_t)number,
                              "world", (json_int_t)n);
    talk_outcome outcome = trial_talk_ask(talk, hello, &answer);
    json_decref(answer);
    return outcome;
}

talk_outcome trial_talk_open(struct trial_talk *talk)
{
    const char *path = getenv("MUSTER_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *talk = (struct trial_talk){.fd = -1};
    buf_init(&talk->input, 2 * LINE_BYTES_MAX);
    if (path == NULL || path[0] == '\0') {
        return TALK_ALONE;
    }
    if (strlen(path) >= sizeof address.sun_path) {
        return talk_silent("MUSTER_SOCKET is too long for a socket's path");
    }
    memcpy(address.sun_path, path, strlen(path));
    talk->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* connect() and send() wait as long as muster has no room. */
    struct timeval limit = {.tv_sec = SILENT_SECONDS};
    if (talk->fd < 0 || setsockopt(talk->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
        connect(talk->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        char why[256];
        snprintf(why, sizeof why, "MUSTER_SOCKET (%s) cannot be opened: %s", path, strerror(errno));
        return talk_silent(why);
    }
    return talk_rank(talk);
}

void trial_talk_close(struct trial_talk *talk)
{
    if (talk->fd >= 0) {
        close(talk->fd);
    }
    buf_fini(&talk->input);
    talk->fd = -1;
}

static bool talk_write(struct trial_talk *talk, const struct buf *line)
{
    for (size_t done = 0; done < line->len;) {
        ssize_t n = send(talk->fd, line->data + done, line->len - done, MSG_NOSIGNAL);
        if (n <= 0 && errno != EINTR) {
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* The first whole line of the input, decoded and taken out of it; an empty one only says that
 * muster lives. NULL with *ret_is_whole: it is no JSON. */
static json_t *talk_line(struct trial_talk *talk, bool *ret_is_whole)
{
    const uint8_t *end;
    *ret_is_whole = false;
    while (talk->input.len > 0 && (end = memchr(talk->input.data, '\n', talk->input.len)) != NULL) {
        size_t n = (size_t)(end - talk->input.data);
        json_t *answer =
            n > 0 ? json_loadb((const char *)talk->input.data, n, 0, &(json_error_t){0}) : NULL;
        buf_consume(&talk->input, n + 1);
        if (n > 0) {
            *ret_is_whole = true;
            return answer;
        }
    }
    return NULL;
}

static json_t *talk_read(struct trial_talk *talk, const char **ret_why)
{
    for (;;) {
        bool is_whole;
        json_t *answer = talk_line(talk, &is_whole);
        if (is_whole) {
            *ret_why = "muster answered with something that is no JSON object";
            return answer;
        }
        struct pollfd poll_fd = {.fd = talk->fd, .events = POLLIN};
        int ready = poll(&poll_fd, 1, SILENT_SECONDS * 1000);
        if (ready == 0 || (ready < 0 && errno != EINTR)) {
            *ret_why = "muster said nothing for ten seconds";
            return NULL;
        }
        uint8_t *room = ready > 0 ? buf_reserve(&talk->input, 4096) : NULL;
        ssize_t n = room != NULL ? recv(talk->fd, room, 4096, 0) : 0;
        if (ready > 0 && n <= 0) {
            *ret_why = "muster closed the socket";
            return NULL;
        }
        talk->input.len += n > 0 ? (size_t)n : 0;
    }
}

talk_outcome trial_talk_ask(struct trial_talk *talk, json_t *request, json_t **ret_answer)
{
    struct buf line;
    const char *why = "muster does not read its socket";
    buf_init(&line, LINE_BYTES_MAX);
    ignore_error(cli_json_append(&line, request), "looked at below");
    ignore_error(buf_append_byte(&line, '\n'), "looked at below");
    json_decref(request);
    bool fits = line.failed == OK;
    json_t *answer = fits && talk_write(talk, &line) ? talk_read(talk, &why) : NULL;
    buf_fini(&line);
    if (!fits) {
        fprintf(stderr, "muster: this is longer than the 64 KiB of a line\n");
        return TALK_REFUSED;
    }
    if (!json_is_object(answer)) {
        json_decref(answer);
        return talk_silent(why);
    }
    if (cli_json_int(answer, "ok") != 1) {
        fprintf(stderr, "muster: %s: %s\n", cli_json_str(answer, "error"),
                cli_json_str(answer, "text"));
        json_decref(answer);
        return TALK_REFUSED;
    }
    *ret_answer = answer;
    return TALK_ANSWERED;
}
