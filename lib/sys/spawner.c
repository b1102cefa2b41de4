#include "sys/spawner.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/files.h"
#include "sys/spawner_child.h"
#include "sys/spawner_find.h"
#include "sys/spawner_inside.h"

enum { ENDS_A_LOOK = 64 };

static const char *const place_words[] = {
#define X(name, words) words,
    SPAWN_PLACES(X)
#undef X
};

const char *spawn_place_words(spawn_place place)
{
    return place_words[place];
}

void spawner_order_free(struct order_to_start *order)
{
    arena_fini(&order->arena);
    mem_free(order);
}

/* ---- the thread ---- */

static void order_run(struct order_to_start *order, const struct spawner *spawner)
{
    char program[FILES_PATH_MAX_BYTES];
    const struct spawn_request *request = &order->request;
    int error =
        program_find(request->argv[0], request->envp, request->folder, program, sizeof program);
    order->result.pidfd = -1;
    if (error != 0) {
        order->result.place = SPAWN_FIND;
        order->result.error = error;
        return;
    }
    order->shell_argv[1] = program;
    struct spawn_child child = {
        .program = program,
        .argv = (char *const *)(uintptr_t)request->argv,
        .shell_argv = (char *const *)(uintptr_t)order->shell_argv,
        .envp = (char *const *)(uintptr_t)request->envp,
        .folder = request->folder,
        .out_fd = request->out_fd,
        .err_fd = request->err_fd,
        .null_fd = spawner->null_fd,
        .mark = request->mark,
        .nofile = request->nofile,
    };
    order->result.pid = spawn_child_start(&child, spawner->stack, &order->result.pidfd);
    /* A short process may have ended before this thread, which slept until its exec, runs again. */
    order->result.exec_us = child.exec_us;
    order->result.exec_at = clock_now() - (clock_monotonic_us() - child.exec_us) / 1000;
    order->result.place = child.place;
    order->result.error = child.error;
    /* Was it the file itself, or its interpreter, say? */
    error = child.place == SPAWN_EXEC ? program_check(program, request->folder) : 0;
    if (error != 0) {
        order->result.place = SPAWN_FIND;
        order->result.error = error;
    }
}

static void order_answer(struct spawner *spawner, struct order_to_start *order)
{
    if (order->chain != NULL) {
        spawner_chain_started(order->chain, order);
    } else {
        list_push_back(&spawner->answered, &order->link);
        uv_async_send(&spawner->async);
    }
}

static void orders_run(struct spawner *spawner)
{
    while (!spawner->is_ended && !list_is_empty(&spawner->waiting)) {
        struct order_to_start *order = list_first(&spawner->waiting, struct order_to_start, link);
        list_remove(&order->link);
        pthread_mutex_unlock(&spawner->lock);
        order_run(order, spawner);
        pthread_mutex_lock(&spawner->lock);
        order_answer(spawner, order);
    }
}

/* Orders, or the ends of chained processes. */
static void spawner_sleep(struct spawner *spawner)
{
    struct epoll_event events[ENDS_A_LOOK];
    uint64_t count;
    spawner->is_asleep = true;
    pthread_mutex_unlock(&spawner->lock);
    int n = epoll_wait(spawner->epoll_fd, events, ENDS_A_LOOK, -1);
    time_ms now = clock_now();
    int64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&spawner->lock);
    spawner->is_asleep = false;
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == NULL) {
            ignore_error(read(spawner->wake_fd, &count, sizeof count) > 0 ? OK : ERR_SYSTEM,
                         "it only wakes");
        } else {
            spawner_chain_ended(events[i].data.ptr, now, now_us);
        }
    }
}

static void *spawner_main(void *context)
{
    struct spawner *spawner = context;
    pthread_mutex_lock(&spawner->lock);
    spawner->tid = (pid_t)syscall(SYS_gettid);
    pthread_cond_broadcast(&spawner->begun);
    while (!spawner->is_ended) {
        orders_run(spawner);
        if (!spawner->is_ended) {
            spawner_sleep(spawner);
        }
    }
    pthread_mutex_unlock(&spawner->lock);
    return NULL;
}

void spawner_wake(struct spawner *spawner)
{
    if (spawner->is_asleep) {
        const uint64_t one = 1;
        spawner->is_asleep = false;
        ignore_error(write(spawner->wake_fd, &one, sizeof one) > 0 ? OK : ERR_SYSTEM,
                     "full: it is awake already");
    }
}

/* ---- the loop's side ---- */

static void answers_take(struct spawner *spawner)
{
    for (;;) {
        pthread_mutex_lock(&spawner->lock);
        struct order_to_start *order = list_first(&spawner->answered, struct order_to_start, link);
        if (order != NULL) {
            list_remove(&order->link);
            spawner->n_waiting--;
        }
        pthread_mutex_unlock(&spawner->lock);
        if (order == NULL) {
            return;
        }
        order->done(order->context, &order->result);
        spawner_order_free(order);
    }
}

static void on_spawner_answers(uv_async_t *async)
{
    answers_take(async->data);
    spawner_chains_news(async->data);
}

static error_code spawner_files_open(struct spawner *spawner)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    spawner->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    spawner->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    spawner->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool is_open = spawner->epoll_fd >= 0 && spawner->wake_fd >= 0 &&
                   spawner->null_fd > STDERR_FILENO &&
                   epoll_ctl(spawner->epoll_fd, EPOLL_CTL_ADD, spawner->wake_fd, &event) == 0;
    return is_open ? OK : error_from_errno(errno);
}

static void spawner_files_close(struct spawner *spawner)
{
    const int fds[] = {spawner->epoll_fd, spawner->wake_fd, spawner->null_fd};
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

static error_code spawner_thread_start(struct spawner *spawner)
{
    spawner->stack = mmap(NULL, SPAWN_STACK_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (spawner->stack == MAP_FAILED) {
        spawner->stack = NULL;
        return ERR_NO_MEMORY;
    }
    /* The child inherits this thread's mask, and no handler of ours may run in it. SIGCHLD is none
     * that anybody handles; where the thread that made a child blocks it, each end would wake the
     * main thread to throw it away. */
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGCHLD);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&spawner->thread, NULL, spawner_main, spawner);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        munmap(spawner->stack, SPAWN_STACK_BYTES);
        spawner->stack = NULL;
        return error_from_errno(rc);
    }
    pthread_mutex_lock(&spawner->lock);
    while (spawner->tid == 0) {
        pthread_cond_wait(&spawner->begun, &spawner->lock);
    }
    pthread_mutex_unlock(&spawner->lock);
    return OK;
}

static void on_spawner_closed(uv_handle_t *handle)
{
    struct spawner *spawner = handle->data;
    pthread_cond_destroy(&spawner->begun);
    pthread_mutex_destroy(&spawner->lock);
    mem_free(spawner);
}

error_code spawner_new(uv_loop_t *uv, struct spawner **ret_spawner, struct report *report)
{
    struct spawner *spawner = mem_zalloc(sizeof *spawner);
    if (spawner == NULL) {
        return report_fail(report, ERR_NO_MEMORY, "out of memory");
    }
    list_init(&spawner->waiting);
    list_init(&spawner->answered);
    list_init(&spawner->chains);
    list_init(&spawner->news);
    spawner->epoll_fd = spawner->wake_fd = spawner->null_fd = -1;
    pthread_mutex_init(&spawner->lock, NULL);
    pthread_cond_init(&spawner->begun, NULL);
    int rc = uv_async_init(uv, &spawner->async, on_spawner_answers);
    spawner->async.data = spawner;
    if (rc != 0) {
        pthread_cond_destroy(&spawner->begun);
        pthread_mutex_destroy(&spawner->lock);
        mem_free(spawner);
        return report_fail(report, error_from_errno(-rc), "cannot make a spawner: %s",
                           uv_strerror(rc));
    }
    error_code error = spawner_files_open(spawner);
    error = error == OK ? spawner_thread_start(spawner) : error;
    if (error != OK) {
        spawner_files_close(spawner);
        uv_close((uv_handle_t *)&spawner->async, on_spawner_closed);
        return report_fail(report, error, "cannot start the spawner's thread");
    }
    *ret_spawner = spawner;
    return OK;
}

static void orders_drop(struct list *orders)
{
    list_each (orders, struct order_to_start, link, order) {
        if (order->result.pidfd > 0) {
            close(order->result.pidfd);
        }
        spawner_order_free(order);
    }
    list_init(orders);
}

void spawner_free(struct spawner *spawner)
{
    if (spawner == NULL) {
        return;
    }
    pthread_mutex_lock(&spawner->lock);
    spawner->is_ended = true;
    spawner_wake(spawner);
    pthread_mutex_unlock(&spawner->lock);
    pthread_join(spawner->thread, NULL);
    munmap(spawner->stack, SPAWN_STACK_BYTES);
    spawner_chains_drop(spawner);
    orders_drop(&spawner->waiting);
    orders_drop(&spawner->answered);
    spawner_files_close(spawner);
    uv_close((uv_handle_t *)&spawner->async, on_spawner_closed);
}

/* ---- a request ---- */

/* `extra` more slots at the end; NULL: limit or memory. */
static const char **words_copy(struct arena *arena, const char *const *words, size_t extra)
{
    size_t n = 0;
    while (words[n] != NULL) {
        n++;
    }
    const char **copy = arena_calloc(arena, n + 1 + extra, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < n; i++) {
        copy[i] = arena_strdup(arena, words[i]);
        if (copy[i] == NULL) {
            return NULL;
        }
    }
    return copy;
}

static error_code order_fill(struct order_to_start *order, const struct spawn_request *request)
{
    struct arena *arena = &order->arena;
    order->request = *request;
    order->request.argv = words_copy(arena, request->argv, 0);
    order->request.envp = words_copy(arena, request->envp, 0);
    order->shell_argv = words_copy(arena, request->argv, 1);
    order->request.folder = request->folder != NULL ? arena_strdup(arena, request->folder) : NULL;
    if (order->request.argv == NULL || order->request.envp == NULL || order->shell_argv == NULL ||
        (request->folder != NULL && order->request.folder == NULL)) {
        return arena->used + 65536 > SPAWNER_REQUEST_MAX_BYTES ? ERR_LIMIT : ERR_NO_MEMORY;
    }
    /* argv[1]... move up by one: /bin/sh, the program, the rest. */
    size_t n = 0;
    while (order->request.argv[n] != NULL) {
        n++;
    }
    for (size_t i = n; i > 1; i--) {
        order->shell_argv[i] = order->request.argv[i - 1];
    }
    order->shell_argv[0] = "/bin/sh";
    order->shell_argv[n + 1] = NULL;
    return OK;
}

error_code spawner_order_make(const struct spawn_request *request,
                              struct order_to_start **ret_order)
{
    assert(request->argv[0] != NULL && request->envp != NULL);
    assert(request->out_fd == -1 || request->out_fd > STDERR_FILENO);
    assert(request->err_fd == -1 || request->err_fd > STDERR_FILENO);
    struct order_to_start *order = mem_zalloc(sizeof *order);
    if (order == NULL) {
        return ERR_NO_MEMORY;
    }
    arena_init(&order->arena, SPAWNER_REQUEST_MAX_BYTES);
    list_init(&order->link);
    error_code error = order_fill(order, request);
    if (error != OK) {
        spawner_order_free(order);
        return error;
    }
    *ret_order = order;
    return OK;
}

error_code spawner_start(struct spawner *spawner, const struct spawn_request *request,
                         spawn_done_fn *done, void *context)
{
    struct order_to_start *order;
    error_code error = spawner_order_make(request, &order);
    if (error != OK) {
        return error;
    }
    order->done = done;
    order->context = context;
    pthread_mutex_lock(&spawner->lock);
    if (spawner->n_waiting >= SPAWNER_WAITING_MAX) {
        error = ERR_BUSY;
    } else {
        spawner->n_waiting++;
        list_push_back(&spawner->waiting, &order->link);
        spawner_wake(spawner);
    }
    pthread_mutex_unlock(&spawner->lock);
    if (error != OK) {
        spawner_order_free(order);
    }
    return error;
}

pid_t spawner_thread(const struct spawner *spawner)
{
    return spawner->tid;
}
