/* The raw limit of an array's traffic: a worker's messages of result rows to a head, which answers
 * each with a short one (an acknowledgement and a range), over CURVE and a Unix socket between two
 * processes. Nothing is parsed, decided or kept.
 *
 * usage: bench_dry_curve TASKS ROWS WINDOW     ROWS tasks a message, WINDOW messages under way at a
 *                                              time; prints tasks a second */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { ROW_BYTES = 32, ANSWER_BYTES = 48, KEY_BYTES = 41, ROWS_MAX = 4096, WINDOW_MAX = 512 };

struct keys {
    char public_key[KEY_BYTES], secret_key[KEY_BYTES];
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int is_so, const char *what)
{
    if (!is_so) {
        fprintf(stderr, "bench_dry_curve: %s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(1);
    }
}

static void key_set(void *socket, int option, const char *key)
{
    must(zmq_setsockopt(socket, option, key, KEY_BYTES) == 0, "a CURVE key");
}

/* The worker's side, in a process of its own. */
static int worker_main(const char *endpoint, const struct keys *server, long messages, size_t bytes,
                       long window)
{
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    char *rows = calloc(1, bytes), answer[ANSWER_BYTES];
    struct keys own;
    must(rows != NULL && zmq_curve_keypair(own.public_key, own.secret_key) == 0, "keys");
    key_set(socket, ZMQ_CURVE_SERVERKEY, server->public_key);
    key_set(socket, ZMQ_CURVE_PUBLICKEY, own.public_key);
    key_set(socket, ZMQ_CURVE_SECRETKEY, own.secret_key);
    must(zmq_connect(socket, endpoint) == 0, endpoint);
    for (long sent = 0, answered = 0; answered < messages; answered++) {
        for (; sent < messages && sent - answered < window; sent++) {
            must(zmq_send(socket, rows, bytes, 0) == (int)bytes, "a worker's message");
        }
        must(zmq_recv(socket, answer, sizeof answer, 0) == ANSWER_BYTES, "an answer");
    }
    free(rows);
    zmq_close(socket);
    zmq_ctx_term(context);
    return 0;
}

/* Seconds from the first message to the last answer. */
static double head_run(void *socket, long messages, size_t bytes)
{
    char who[256], answer[ANSWER_BYTES] = "", *rows = malloc(bytes);
    double begin = 0;
    must(rows != NULL, "memory");
    for (long i = 0; i < messages; i++) {
        int len = zmq_recv(socket, who, sizeof who, 0);
        must(len > 0 && zmq_recv(socket, rows, bytes, 0) == (int)bytes, "rows");
        begin = i == 0 ? now_s() : begin;
        must(zmq_send(socket, who, (size_t)len, ZMQ_SNDMORE) == len, "an answer");
        must(zmq_send(socket, answer, sizeof answer, 0) == ANSWER_BYTES, "an answer");
    }
    free(rows);
    return now_s() - begin;
}

int main(int argc, char **argv)
{
    long tasks = argc == 4 ? atol(argv[1]) : 0, rows = argc == 4 ? atol(argv[2]) : 0,
         window = argc == 4 ? atol(argv[3]) : 0;
    char folder[] = "/tmp/muster-bench-XXXXXX", endpoint[64];
    struct keys server;
    int is_server = 1, status = 1;
    if (tasks < rows || rows < 1 || rows > ROWS_MAX || window < 1 || window > WINDOW_MAX ||
        mkdtemp(folder) == NULL) {
        fprintf(stderr, "usage: bench_dry_curve TASKS ROWS WINDOW (at most %d, %d)\n", ROWS_MAX,
                WINDOW_MAX);
        return 2;
    }
    long messages = tasks / rows;
    snprintf(endpoint, sizeof endpoint, "ipc://%s/head", folder);
    must(zmq_curve_keypair(server.public_key, server.secret_key) == 0, "keys");
    pid_t worker = fork();
    if (worker == 0) {
        return worker_main(endpoint, &server, messages, (size_t)rows * ROW_BYTES, window);
    }
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_ROUTER);
    must(zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &is_server, sizeof is_server) == 0, "CURVE");
    key_set(socket, ZMQ_CURVE_SECRETKEY, server.secret_key);
    must(worker > 0 && zmq_bind(socket, endpoint) == 0, endpoint);
    double seconds = head_run(socket, messages, (size_t)rows * ROW_BYTES);
    waitpid(worker, &status, 0);
    zmq_close(socket);
    zmq_ctx_term(context);
    snprintf(endpoint, sizeof endpoint, "%s/head", folder);
    unlink(endpoint);
    rmdir(folder);
    printf("%.0f\n", (double)(messages * rows) / seconds);
    return status == 0 ? 0 : 1;
}
