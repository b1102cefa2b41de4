/* What is asked for comes from anybody who reaches the port and knows this start's public key. So a
 * frame is read within limits, a pass that the head made known decides, and a path leads only to
 * files which the snapshot's own manifest names, through folders that are no links. */
#include "worker/shell/lender.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/curve_server.h"
#include "sys/beneath.h"
#include "sys/clock.h"
#include "sys/failpoints.h"
#include "sys/files.h"
#include "worker/shell/lend_passes.h"

enum {
    REQUEST_MAX_BYTES = 8 << 10, /* a path, and a few numbers */
    REQUEST_ARENA_BYTES = 64 << 10,
    ANSWERS_MAX = 16, /* of FILE_PIECE_MAX_BYTES that wait for one taker; it asks for fewer */
    IO_THREADS = 2,   /* each encrypts on one processor */
    ANSWER_EXTRA_BYTES = REPORT_TEXT_MAX + 256,
    LENDER_ARGUMENT_MAX = 512,
};

struct lender {
    struct curve_server *server;
    char snapshots_dir[FILES_PATH_MAX_BYTES];
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;    /* of what comes in */
    struct lend_passes came; /* not yet seen by the thread */
    /* the thread's own */
    struct lend_passes passes;
    uint8_t block[FILE_PIECE_MAX_BYTES];
    char text[REPORT_TEXT_MAX]; /* of the answer */
};

/* ---- a piece of a file ---- */

static file_word lender_refuse(struct lender *lender, struct msg_file *answer, file_word word,
                               const char *what)
{
    int number = errno;
    ignore_error(snprintf(lender->text, sizeof lender->text, "%s: %s", what, strerror(number)) < 0,
                 "cut");
    answer->text = lender->text;
    return word;
}

/* What cannot be read now may be read later; what is not there, or not what it should be, never. */
static file_word word_of_errno(int number)
{
    return number == ENOENT || number == ENOTDIR || number == ELOOP || number == EIO ||
                   number == EINVAL || number == ENXIO
               ? FILE_GONE
               : FILE_FAILED;
}

static error_code list_read(int folder_fd, struct manifest_list *ret_list)
{
    CLEANUP(buf_fini) struct buf text;
    buf_init(&text, MANIFEST_MAX_BYTES);
    int fd = beneath_open(folder_fd, MANIFEST_NAME, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0) {
        return error_from_errno(errno);
    }
    error_code error = OK;
    ssize_t n = 1;
    while (error == OK && n > 0) {
        uint8_t chunk[16 << 10];
        n = read(fd, chunk, sizeof chunk);
        error = n < 0 ? error_from_errno(errno) : buf_append(&text, chunk, n > 0 ? (size_t)n : 0);
    }
    close(fd);
    return error == OK ? manifest_list_parse(buf_bytes(&text), ret_list, NULL) : error;
}

/* The folder and the list of the pass's snapshot, at its first use. */
static file_word pass_open(struct lender *lender, struct lend_pass *pass, struct msg_file *answer)
{
    char path[FILES_PATH_MAX_BYTES + TASK_ID_TEXT_MAX + 16], id[TASK_ID_TEXT_MAX];
    if (pass->folder_fd >= 0) {
        return FILE_OK;
    }
    ignore_error(snprintf(path, sizeof path, "%s/%s/%" PRIu32, lender->snapshots_dir,
                          task_id_print(pass->name.task, id), pass->name.ordinal) < 0,
                 "it fits");
    int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return lender_refuse(lender, answer, word_of_errno(errno), "the snapshot is not here");
    }
    error_code error = list_read(fd, &pass->list);
    if (error == OK && (!task_id_equal(pass->list.manifest.task, pass->name.task) ||
                        pass->list.manifest.ordinal != pass->name.ordinal)) {
        manifest_list_fini(&pass->list);
        error = ERR_FORMAT;
    }
    if (error != OK) {
        close(fd);
        errno = EINVAL;
        return lender_refuse(lender, answer, error_is_retryable(error) ? FILE_FAILED : FILE_GONE,
                             "its " MANIFEST_NAME " cannot be read");
    }
    pass->folder_fd = fd;
    return FILE_OK;
}

/* Fills lender->block from `offset`; the bytes there are, or -1. */
static ssize_t block_read(struct lender *lender, int fd, size_t size, uint64_t offset)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(fd, lender->block + got, size - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static file_word piece_read(struct lender *lender, const struct msg_file_get *get, int fd,
                            struct msg_file *answer)
{
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        errno = EINVAL;
        return lender_refuse(lender, answer, FILE_GONE, "it is no file");
    }
    size_t size = get->size < FILE_PIECE_MAX_BYTES ? get->size : FILE_PIECE_MAX_BYTES;
    answer->total = (uint64_t)about.st_size;
    if (get->offset >= answer->total) {
        return FILE_OK; /* nothing is there, and that is said by `total` */
    }
    ssize_t n = block_read(lender, fd, size, get->offset);
    if (n < 0) {
        return lender_refuse(lender, answer, word_of_errno(errno), "it cannot be read");
    }
    answer->data = (struct bytes){lender->block, (size_t)n};
    return FILE_OK;
}

static file_word file_answer(struct lender *lender, struct lend_pass *pass,
                             const struct msg_file_get *get, struct msg_file *answer)
{
    file_word word = pass_open(lender, pass, answer);
    if (word != FILE_OK) {
        return word;
    }
    if (strcmp(get->path, MANIFEST_NAME) != 0 &&
        manifest_list_find(&pass->list, get->path) == NULL) {
        errno = ENOENT;
        return lender_refuse(lender, answer, FILE_GONE, "it is no file of this snapshot");
    }
    int fd = beneath_open(pass->folder_fd, get->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) {
        return lender_refuse(lender, answer, word_of_errno(errno), "it cannot be opened");
    }
    word = piece_read(lender, get, fd, answer);
    close(fd);
    return word;
}

/* ---- requests ---- */

/* A pass holds from when it came, however late it is looked at. */
static void came_take(struct lender *lender)
{
    pthread_mutex_lock(&lender->lock);
    for (uint32_t i = 0; i < lender->came.n_rows; i++) {
        const struct lend_pass *row = &lender->came.rows[i];
        lend_passes_add(&lender->passes, row->name, row->pass, row->valid_ms, row->used_at);
    }
    lend_passes_fini(&lender->came);
    pthread_mutex_unlock(&lender->lock);
}

static void answer_send(struct lender *lender, const struct msg_file *answer)
{
    CLEANUP(buf_fini) struct buf frame;
    buf_init(&frame, MSG_MAX_BYTES);
    if (buf_reserve(&frame, answer->data.len + ANSWER_EXTRA_BYTES) != NULL &&
        message_encode(MSG_FILE, answer, &frame) == OK) {
        FAILPOINT(LEND_SEND);
        curve_server_answer(lender->server, &frame);
    }
}

static void on_file_get(struct lender *lender, const struct msg_file_get *get)
{
    time_ms now = clock_now();
    struct msg_file answer = {.request = get->request};
    came_take(lender);
    struct lend_pass *pass = lend_passes_use(&lender->passes, get->name, get->pass, now);
    if (get->path == NULL || get->path[0] == '\0') {
        if (pass != NULL) {
            lend_passes_drop(&lender->passes, pass);
        }
        return;
    }
    if (pass == NULL) {
        answer.word = FILE_NO_PASS;
        answer.text = "its pass is not known here";
    } else {
        answer.word = file_answer(lender, pass, get, &answer);
    }
    answer_send(lender, &answer);
}

static void *lender_main(void *context)
{
    struct lender *lender = context;
    struct bytes frame;
    while (curve_server_receive(lender->server, &frame) == OK) {
        struct arena arena;
        message_type type;
        void *message;
        arena_init(&arena, REQUEST_ARENA_BYTES);
        if (message_type_of(frame) == MSG_FILE_GET &&
            message_decode_borrowing(frame, &arena, &type, &message, NULL) == OK) {
            on_file_get(lender, message);
        }
        arena_fini(&arena);
    }
    return NULL;
}

void lender_pass(struct lender *lender, const struct msg_lend *lend)
{
    if (lend->pass.len != PASS_BYTES) {
        return;
    }
    pthread_mutex_lock(&lender->lock);
    lend_passes_add(&lender->came, lend->name, lend->pass.data, lend->valid_ms, clock_now());
    pthread_mutex_unlock(&lender->lock);
}

/* ---- life ---- */

static error_code thread_start(struct lender *lender, struct report *report)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&lender->thread, NULL, lender_main, lender);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    lender->has_thread = rc == 0;
    return rc == 0 ? OK
                   : report_fail(report, error_from_errno(rc), "cannot start a thread: %s",
                                 strerror(rc));
}

error_code lender_open(const char *host, const char *snapshots_dir, struct lender **ret_lender,
                       struct report *report)
{
    struct curve_server_options options = {.request_max_bytes = REQUEST_MAX_BYTES,
                                           .answers_max = ANSWERS_MAX,
                                           .io_threads = IO_THREADS};
    char text[LENDER_ARGUMENT_MAX];
    size_t len = strlen(snapshots_dir);
    int n = snprintf(text, sizeof text, strchr(host, ':') != NULL ? "[%s]:0" : "%s:0", host);
    if (n < 0 || (size_t)n >= sizeof text || len >= FILES_PATH_MAX_BYTES) {
        return report_fail(report, ERR_LIMIT, "the address or the path is too long");
    }
    error_code error = net_address_parse(text, NULL, 0, &options.address, report);
    error = error == OK ? net_address_resolve(&options.address, report) : error;
    if (error != OK) {
        return error;
    }
    struct lender *lender = mem_zalloc(sizeof *lender);
    if (lender == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    pthread_mutex_init(&lender->lock, NULL);
    memcpy(lender->snapshots_dir, snapshots_dir, len + 1);
    error = curve_server_open(&options, &lender->server, report);
    error = error == OK ? thread_start(lender, report) : error;
    if (error != OK) {
        lender_close(lender);
        return error;
    }
    *ret_lender = lender;
    return OK;
}

void lender_close(struct lender *lender)
{
    if (lender == NULL) {
        return;
    }
    if (lender->has_thread) {
        curve_server_end(lender->server);
        pthread_join(lender->thread, NULL);
    }
    curve_server_close(lender->server);
    lend_passes_fini(&lender->passes);
    lend_passes_fini(&lender->came);
    pthread_mutex_destroy(&lender->lock);
    mem_free(lender);
}

const char *lender_endpoint(const struct lender *lender)
{
    return curve_server_endpoint(lender->server);
}

const char *lender_key(const struct lender *lender)
{
    return curve_server_key(lender->server);
}

/* ---- where others reach this machine ---- */

/* Connecting a datagram socket sends nothing: the kernel only looks for the route. */
static error_code route_find(const struct net_address *address, char *ret_host, size_t size,
                             struct report *report)
{
    char port[8];
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    struct sockaddr_storage own;
    socklen_t len = sizeof own;
    ignore_error(snprintf(port, sizeof port, "%u", address->port) < 0, "it fits");
    int rc = getaddrinfo(address->host, port, &hints, &found);
    int fd = rc == 0 ? socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    bool is_found = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                    getsockname(fd, (struct sockaddr *)&own, &len) == 0;
    int number = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (rc == 0) {
        freeaddrinfo(found);
    }
    if (!is_found) {
        return report_fail(report, ERR_NOT_FOUND, "no route leads to %s: %s", address->host,
                           rc != 0 ? gai_strerror(rc) : strerror(number));
    }
    rc = getnameinfo((struct sockaddr *)&own, len, ret_host, (socklen_t)size, NULL, 0,
                     NI_NUMERICHOST);
    return rc == 0 ? OK
                   : report_fail(report, rc == EAI_OVERFLOW ? ERR_LIMIT : ERR_NOT_FOUND,
                                 "cannot tell this machine's address: %s", gai_strerror(rc));
}

error_code lender_host_find(const char *join, char *ret_host, size_t size, struct report *report)
{
    struct net_address address;
    if (strncmp(join, "ipc://", 6) == 0) {
        int n = snprintf(ret_host, size, "127.0.0.1");
        return n > 0 && (size_t)n < size ? OK : ERR_LIMIT;
    }
    error_code error = net_address_parse(join, "tcp", NET_PORT_AGENTS, &address, report);
    error = error == OK ? net_address_resolve(&address, report) : error;
    return error == OK ? route_find(&address, ret_host, size, report) : error;
}
