/* Tasks of arrays as real processes, driven by a head that the test plays. */
#include "head_rig.h"

#include <dirent.h>

#include "base/array_ids.h"
#include "sys/logfile.h"

enum { JOB = 7, COUNT_MAX = 4096, TEXT_MAX = 1 << 20 };

/* What the head knows of the array; one test at a time. */
static struct book {
    uint32_t n_rows, n_closed, n_returned, n_results;
    uint32_t rows[COUNT_MAX]; /* by id */
    uint64_t duration_us[COUNT_MAX];
    uint32_t want_rows, want_closed, want_results;
    /* of a log */
    uint64_t serial;
    bool is_answered, is_missing;
    uint64_t generation, offset;
    size_t text_len;
    char text[TEXT_MAX];
} book;

static void on_array_event(struct rig *rig, const struct node_event *event)
{
    (void)rig;
    for (uint32_t i = 0; event->kind == EVENT_TASKS && i < result_rows_count(event->array_rows);
         i++) {
        struct result_row row;
        result_row_read(event->array_rows.data + i * RESULT_ROW_BYTES, &row);
        assert_true(row.id < COUNT_MAX);
        book.rows[row.id]++;
        book.duration_us[row.id] = row.duration_us;
        book.n_rows++;
    }
    book.n_closed += event->kind == EVENT_TASKS ? event->n_lanes : 0;
    book.n_results += event->kind == EVENT_RESULT;
    for (uint32_t i = 0; event->kind == EVENT_RETURNED && i < event->n_ranges; i++) {
        book.n_returned += event->ranges[i].count;
    }
}

static void on_log_data(struct rig *rig, message_type type, const void *message)
{
    const struct msg_log_data *data = message;
    (void)rig;
    if (type != MSG_LOG_DATA || data->serial != book.serial) {
        return;
    }
    book.is_answered = true;
    book.is_missing = data->is_missing;
    book.generation = data->generation;
    book.offset = data->offset;
    assert_true(data->data.len <= TEXT_MAX);
    book.text_len = data->data.len;
    if (data->data.len > 0) {
        memcpy(book.text, data->data.data, data->data.len);
    }
}

static bool book_is_full(struct rig *rig)
{
    (void)rig;
    return book.n_rows >= book.want_rows && book.n_closed >= book.want_closed &&
           book.n_results >= book.want_results;
}

static bool log_is_answered(struct rig *rig)
{
    (void)rig;
    return book.is_answered;
}

static void arrays_begin(struct rig *rig)
{
    memset(&book, 0, sizeof book);
    rig_begin(rig);
    rig->on_event = on_array_event;
    rig->on_message = on_log_data;
}

/* Ids 1 .. count of `sh -c text`. */
static void array_tell_as(struct rig *rig, const char *text, uint32_t count, const char *items,
                          bool log_files)
{
    const char *words[] = {text};
    struct msg_array array = {
        .job = JOB,
        .ids = {1, count, 1},
        .lease = rig_shell(0, 0, words),
        .items = items,
    };
    array.lease.task.job = JOB;
    array.lease.timeout_grace_ms = 3000;
    array.lease.log_files = log_files;
    rig_send(rig, MSG_ARRAY, &array);
}

static void array_tell(struct rig *rig, const char *text, uint32_t count, const char *items)
{
    array_tell_as(rig, text, count, items, false);
}

static void ranges_send(struct rig *rig, uint32_t first_lane, uint32_t n_lanes, uint32_t first,
                        uint32_t count)
{
    struct array_lane lanes[8] = {0};
    for (uint32_t i = 0; i < n_lanes; i++) {
        lanes[i].lane = first_lane + i;
    }
    const struct array_range range = {first, count};
    const struct msg_ranges ranges = {
        .job = JOB, .lanes = lanes, .n_lanes = n_lanes, .ranges = &range, .n_ranges = 1};
    rig_send(rig, MSG_RANGES, &ranges);
}

static void book_wait(struct rig *rig, uint32_t n_rows, uint32_t n_results, uint32_t n_closed)
{
    book.want_rows = n_rows;
    book.want_results = n_results;
    book.want_closed = n_closed;
    if (!rig_until(rig, book_is_full)) {
        char text[4096];
        rig_worker_said(rig, text, sizeof text);
        fail_msg("%u rows, %u results and %u lanes came; the worker said: %s", book.n_rows,
                 book.n_results, book.n_closed, text);
    }
}

static void log_ask(struct rig *rig, struct msg_log_get get)
{
    get.request = 1;
    get.serial = ++book.serial;
    get.task.job = JOB;
    get.limit_bytes = get.limit_bytes > 0 ? get.limit_bytes : LOG_PIECE_MAX_BYTES;
    book.is_answered = false;
    rig_send(rig, MSG_LOG_GET, &get);
}

/* One piece of it, as text. */
static const char *log_get(struct rig *rig, struct msg_log_get get)
{
    log_ask(rig, get);
    assert_true(rig_until(rig, log_is_answered));
    book.text[book.text_len] = '\0';
    return book.is_missing ? "(missing)" : book.text;
}

static const char *log_of(struct rig *rig, uint32_t id, uint32_t stream)
{
    return log_get(rig, (struct msg_log_get){.task.index = id, .stream = stream});
}

static void test_array_of_short_tasks_gives_each_one_row_and_its_lanes_back(void **state)
{
    (void)state;
    struct rig rig;
    arrays_begin(&rig);
    array_tell(&rig, "exit 0", 60, "");
    ranges_send(&rig, 1, 3, 0, 60);
    book_wait(&rig, 60, 0, 3);
    for (uint32_t id = 1; id <= 60; id++) {
        assert_int_equal(book.rows[id], 1);
        assert_true(book.duration_us[id] > 0);
    }
    assert_int_equal(book.n_results, 0);
    assert_string_equal(log_of(&rig, 1, 0), "(missing)"); /* who prints nothing has no log */
    rig_end(&rig);
}

static void test_output_of_2000_tasks_is_found_byte_for_byte_also_after_a_restart(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    struct rig rig;
    char want[64];
    int status;
    arrays_begin(&rig);
    array_tell(&rig,
               "echo out ${index} $MUSTER_TRIAL; test $MUSTER_INDEX = 77 || echo err ${index} >&2",
               COUNT, "");
    ranges_send(&rig, 1, 3, 0, COUNT);
    book_wait(&rig, COUNT, 0, 3);
    for (int restarted = 0; restarted < 2; restarted++) {
        for (uint32_t id = 1; id <= COUNT; id += restarted ? 97 : 1) {
            snprintf(want, sizeof want, "out %u 7.%u\n", id, id);
            assert_string_equal(log_of(&rig, id, 0), want);
            snprintf(want, sizeof want, "err %u\n", id);
            assert_string_equal(log_of(&rig, id, 1), id == 77 ? "(missing)" : want);
        }
        if (restarted == 0) {
            kill(rig.worker, SIGKILL);
            rig_worker_wait(&rig, &status);
            rig_worker_start(&rig);
            rig.want = rig.enrolments + 1;
            assert_true(rig_until(&rig, rig_is_enrolled));
        }
    }
    /* A lane of the same number goes on behind what was there. */
    book.n_closed = 0;
    array_tell(&rig, "echo again ${index}", COUNT, "");
    ranges_send(&rig, 1, 1, 4, 1);
    book_wait(&rig, COUNT + 1, 0, 1);
    assert_string_equal(log_of(&rig, 5, 0), "again 5\n");
    assert_string_equal(log_of(&rig, 6, 0), "out 6 7.6\n");
    rig_end(&rig);
}

static void test_task_that_fails_is_told_with_the_end_of_its_own_output(void **state)
{
    (void)state;
    struct rig rig;
    arrays_begin(&rig);
    array_tell(&rig,
               "echo start of $MUSTER_INDEX >&2; test $MUSTER_INDEX != 2 || exit 3; "
               "test $MUSTER_INDEX != 3 || kill -9 $$",
               4, "");
    ranges_send(&rig, 1, 1, 0, 4);
    book_wait(&rig, 2, 2, 1);
    const struct rig_event *event = rig_find(&rig, EVENT_RESULT, 2, 0);
    assert_non_null(event);
    assert_int_equal(event->task.job, JOB);
    assert_int_equal(event->result.cause, CAUSE_EXIT);
    assert_int_equal(event->result.exit_code, 3);
    assert_string_equal(event->err, "start of 2\n");
    event = rig_find(&rig, EVENT_RESULT, 3, 0);
    assert_non_null(event);
    assert_int_equal(event->result.cause, CAUSE_SIGNAL);
    assert_int_equal(event->result.signal, SIGKILL);
    assert_string_equal(event->err, "start of 3\n");
    assert_string_equal(log_of(&rig, 4, 1), "start of 4\n");
    rig_end(&rig);
}

static void test_program_that_is_not_there_is_told_by_name_and_error(void **state)
{
    (void)state;
    struct rig rig;
    static const char *const words[] = {"/no/such/program"};
    arrays_begin(&rig);
    struct msg_array array = {.job = JOB, .ids = {1, 3, 1}, .lease = rig_shell(0, 0, words)};
    array.lease.task.job = JOB;
    array.lease.is_shell = false;
    rig_send(&rig, MSG_ARRAY, &array);
    ranges_send(&rig, 1, 2, 0, 3);
    book_wait(&rig, 0, 3, 2);
    const struct rig_event *event = rig_find(&rig, EVENT_RESULT, 2, 0);
    assert_int_equal(event->result.cause, CAUSE_CANNOT_START);
    assert_non_null(strstr(event->reason, "/no/such/program"));
    assert_non_null(strstr(event->reason, "No such file"));
    rig_end(&rig);
}

static void test_child_that_left_its_task_is_ended_and_the_lane_goes_on(void **state)
{
    (void)state;
    struct rig rig;
    char text[512], path[192];
    arrays_begin(&rig);
    snprintf(path, sizeof path, "%s/daemon", rig.folder);
    snprintf(text, sizeof text,
             "if [ $MUSTER_INDEX = 1 ]; then setsid env -i /bin/sh -c "
             "'echo $$ >%s; exec sleep 1000' & while ! test -s %s; do sleep 0.01; done; fi",
             path, path);
    array_tell(&rig, text, 3, "");
    ranges_send(&rig, 1, 1, 0, 3);
    book_wait(&rig, 3, 0, 1);
    pid_t daemon = (pid_t)strtol(file_text(path), NULL, 10);
    assert_true(daemon > 1);
    assert_false(pid_is_alive(daemon));
    rig_end(&rig);
}

static void test_task_that_opens_its_stderr_anew_cuts_nobodys_log(void **state)
{
    (void)state;
    struct rig rig;
    arrays_begin(&rig);
    array_tell(&rig, "echo one ${index} >/dev/stderr; echo two ${index} >/dev/stderr", 3, "");
    ranges_send(&rig, 1, 1, 0, 3);
    book_wait(&rig, 3, 0, 1);
    assert_string_equal(log_of(&rig, 1, 1), "one 1\ntwo 1\n");
    assert_string_equal(log_of(&rig, 3, 1), "one 3\ntwo 3\n");
    rig_end(&rig);
}

static void test_task_that_writes_much_gets_a_file_of_its_own(void **state)
{
    (void)state;
    struct rig rig;
    arrays_begin(&rig);
    array_tell(&rig,
               "if [ $MUSTER_INDEX = 2 ]; then head -c 9000000 /dev/zero | tr '\\0' x; fi; "
               "echo end ${index}; [ $MUSTER_INDEX != 2 ] || exit 1",
               3, "");
    ranges_send(&rig, 1, 1, 0, 3);
    book_wait(&rig, 2, 1, 1);
    assert_string_equal(log_of(&rig, 1, 0), "end 1\n");
    assert_string_equal(log_of(&rig, 3, 0), "end 3\n");
    const char *tail =
        log_get(&rig, (struct msg_log_get){.task.index = 2, .offset = 8, .is_tail = true});
    assert_string_equal(tail, "xxend 2\n");
    const char *out = rig_find(&rig, EVENT_RESULT, 2, 0)->out;
    assert_string_equal(out + strlen(out) - 6, "end 2\n");
    rig_end(&rig);
}

static void test_log_of_a_running_task_is_read_live_and_in_pieces(void **state)
{
    (void)state;
    struct rig rig;
    char text[512], path[192];
    arrays_begin(&rig);
    snprintf(path, sizeof path, "%s/go", rig.folder);
    snprintf(text, sizeof text, "echo first; while ! test -e %s; do sleep 0.01; done; echo second",
             path);
    array_tell(&rig, text, 1, "");
    ranges_send(&rig, 1, 1, 0, 1);
    struct msg_log_get get = {.task.index = 1, .wait_ms = 5000};
    do { /* it may not have started yet */
        log_get(&rig, get);
    } while (book.text_len == 0);
    assert_string_equal(book.text, "first\n");
    get.generation = book.generation;
    get.offset = book.offset;
    log_ask(&rig, get);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(rig_until(&rig, log_is_answered));
    book.text[book.text_len] = '\0';
    assert_string_equal(book.text, "second\n");
    book_wait(&rig, 1, 0, 1);
    get = (struct msg_log_get){.task.index = 1, .offset = 7, .is_tail = true};
    assert_string_equal(log_get(&rig, get), "second\n");
    rig_end(&rig);
}

static void test_cancelled_array_is_signalled_and_the_rest_returned(void **state)
{
    (void)state;
    struct rig rig;
    char text[512], path[192];
    arrays_begin(&rig);
    snprintf(path, sizeof path, "%s/up", rig.folder);
    snprintf(text, sizeof text, "trap 'exit 0' TERM; : >%s; while :; do sleep 0.05; done", path);
    array_tell(&rig, text, 10, "");
    ranges_send(&rig, 1, 1, 0, 10);
    time_ms deadline = clock_now() + RIG_DEADLINE_MS;
    while (access(path, F_OK) != 0 && clock_now() < deadline) {
        log_of(&rig, 1, 0); /* turns of the head */
    }
    const struct msg_take_back back = {.job = JOB, .why = WHY_CANCEL, .grace_ms = 5000};
    rig_send(&rig, MSG_TAKE_BACK, &back);
    book_wait(&rig, 0, 1, 1);
    assert_int_equal(book.n_returned, 9);
    assert_int_equal(rig_find(&rig, EVENT_RESULT, 1, 0)->result.cause, CAUSE_TOLD);
    rig_end(&rig);
}

static void test_array_that_needs_a_folder_runs_as_attempts_and_logs_by_lane(void **state)
{
    (void)state;
    struct rig rig;
    char path[256];
    arrays_begin(&rig);
    array_tell(&rig, "test -d ${trial.dir} && echo in $MUSTER_TRIAL_DIR of ${index}", 2, "");
    ranges_send(&rig, 1, 1, 0, 2);
    book_wait(&rig, 2, 0, 1);
    assert_non_null(strstr(log_of(&rig, 2, 0), "/attempts/7.2.0/work of 2\n"));
    snprintf(path, sizeof path, "%s/nodes/n1/logs/7.2", rig.state);
    assert_int_not_equal(access(path, F_OK), 0);
    rig_end(&rig);
}

/* What is in the array's folder, but for "." and "..". */
static uint32_t array_entries(const struct rig *rig, const char *folder)
{
    char path[256];
    uint32_t n = 0;
    snprintf(path, sizeof path, "%s/nodes/n1/arrays/%u%s", rig->state, JOB, folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        n += entry->d_name[0] != '.';
    }
    closedir(dir);
    return n;
}

static const char *task_file(const struct rig *rig, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/nodes/n1/arrays/%u/tasks/%s", rig->state, JOB, name);
    return access(path, F_OK) == 0 ? file_text(path) : "(none)";
}

static void test_array_with_log_files_keeps_what_each_task_wrote_in_its_own(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct rig rig;
    char name[32], want[64];
    arrays_begin(&rig);
    array_tell_as(&rig,
                  "test $MUSTER_INDEX != 9 || exit 0; echo out ${index}; "
                  "test $MUSTER_INDEX -gt 3 || echo err ${index} >&2; test $MUSTER_INDEX != 2",
                  COUNT, "", true);
    ranges_send(&rig, 1, 3, 0, COUNT);
    book_wait(&rig, COUNT - 1, 1, 3);
    for (uint32_t id = 1; id <= COUNT; id++) {
        snprintf(want, sizeof want, "out %u\n", id);
        snprintf(name, sizeof name, "%u.out", id);
        assert_string_equal(task_file(&rig, name), id == 9 ? "(none)" : want);
        assert_string_equal(log_of(&rig, id, 0), id == 9 ? "(missing)" : want);
    }
    assert_string_equal(task_file(&rig, "3.err"), "err 3\n");
    assert_string_equal(log_of(&rig, 3, 1), "err 3\n");
    assert_string_equal(log_of(&rig, 4, 1), "(missing)");
    assert_int_equal(array_entries(&rig, "/tasks"), COUNT - 1 + 3); /* no empty ones */
    assert_int_equal(array_entries(&rig, ""), 1);                   /* nothing by lane */
    assert_string_equal(rig_find(&rig, EVENT_RESULT, 2, 0)->err, "err 2\n");
    /* One that is tried again, by a lease of its own. */
    static const char *const words[] = {"echo again; echo and again >&2"};
    struct msg_lease lease = rig_shell(2, 1, words);
    lease.task.job = JOB;
    lease.log_files = true;
    rig_run(&rig, &lease);
    assert_string_equal(task_file(&rig, "2.out"), "out 2\n");
    assert_string_equal(task_file(&rig, "2.1.out"), "again\n");
    assert_string_equal(task_file(&rig, "2.1.err"), "and again\n");
    assert_string_equal(log_get(&rig, (struct msg_log_get){.task.index = 2, .attempt = 1}),
                        "again\n");
    assert_string_equal(log_of(&rig, 2, 0), "out 2\n");
    rig_end(&rig);
}

static void test_log_file_of_a_task_that_writes_without_end_is_bounded(void **state)
{
    (void)state;
    struct rig rig;
    struct stat about;
    char path[256];
    arrays_begin(&rig);
    array_tell_as(&rig,
                  "echo ${trial.dir}; if [ $MUSTER_INDEX = 2 ]; then head -c 20000000 /dev/zero | "
                  "tr '\\0' x; fi; echo end ${index}",
                  3, "", true);
    ranges_send(&rig, 1, 1, 0, 3);
    book_wait(&rig, 3, 0, 1);
    assert_string_equal(strchr(log_of(&rig, 3, 0), '\n'), "\nend 3\n");
    assert_string_equal(
        log_get(&rig, (struct msg_log_get){.task.index = 2, .offset = 8, .is_tail = true}),
        "xxend 2\n");
    assert_int_equal(array_entries(&rig, "/tasks"), 5); /* the second one's .1 and .first */
    snprintf(path, sizeof path, "%s/nodes/n1/arrays/%u/tasks/2.out.1", rig.state, JOB);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_size, LOGFILE_PART_BYTES);
    rig_end(&rig);
}

/* As if it had been pulled and unpacked by the agent before this one. */
static void items_place(struct rig *rig, const char *name, const char *text)
{
    char path[256], boot[64] = "";
    snprintf(path, sizeof path, "%s/nodes/n1/work/%s", rig->state, name);
    assert_int_equal(dir_make(path, NULL), OK);
    snprintf(path, sizeof path, "%s/nodes/n1/work/%s/items", rig->state, name);
    assert_int_equal(
        file_write(path, (struct bytes){(const uint8_t *)text, strlen(text)}, 0400, NULL), OK);
    snprintf(path, sizeof path, "%s/nodes/n1/work/%s.ok", rig->state, name);
    assert_int_equal(file_write(path, (struct bytes){(const uint8_t *)"99\n", 3}, 0600, NULL), OK);
    snprintf(boot, sizeof boot, "%.60s", file_text("/proc/sys/kernel/random/boot_id"));
    snprintf(path, sizeof path, "%s/nodes/n1/work/boot", rig->state);
    assert_int_equal(
        file_write(path, (struct bytes){(const uint8_t *)boot, strlen(boot)}, 0600, NULL), OK);
}

static void test_lines_of_an_array_reach_command_and_environment(void **state)
{
    (void)state;
    struct rig rig;
    int status;
    arrays_begin(&rig);
    kill(rig.worker, SIGKILL);
    rig_worker_wait(&rig, &status);
    items_place(&rig, "0a1b", "plain\nit's \"$HOME\"\n\nlast ${index}");
    rig_worker_start(&rig);
    rig.want = rig.enrolments + 1;
    assert_true(rig_until(&rig, rig_is_enrolled));
    array_tell(&rig, "printf '%s|%s\\n' ${line} \"$MUSTER_LINE\"", 5, "0a1b");
    ranges_send(&rig, 1, 2, 0, 5);
    book_wait(&rig, 4, 1, 2);
    assert_string_equal(log_of(&rig, 1, 0), "plain|plain\n");
    assert_string_equal(log_of(&rig, 2, 0), "it's \"$HOME\"|it's \"$HOME\"\n");
    assert_string_equal(log_of(&rig, 3, 0), "|\n");
    assert_string_equal(log_of(&rig, 4, 0), "last ${index}|last ${index}\n");
    const struct rig_event *event = rig_find(&rig, EVENT_RESULT, 5, 0);
    assert_int_equal(event->result.cause, CAUSE_CANNOT_START);
    assert_non_null(strstr(event->reason, "4 lines"));
    /* A retry comes as a lease of its own, and finds the same line. */
    static const char *const words[] = {"printf '%s' ${line}${index}"};
    struct msg_lease lease = rig_shell(2, 1, words);
    lease.task.job = JOB;
    rig_run(&rig, &lease);
    assert_string_equal(rig_find(&rig, EVENT_RESULT, 2, 1)->out, "it's \"$HOME\"2");
    rig_end(&rig);
}

static void test_task_that_takes_more_memory_than_it_asked_for_is_ended(void **state)
{
    (void)state;
    struct rig rig;
    static const char *const words[] = {"[ $MUSTER_INDEX = 2 ] || exit 0; head -c 400000000 "
                                        "/dev/zero | tail -c 300000000 | sleep 60"};
    arrays_begin(&rig);
    struct msg_array array = {.job = JOB, .ids = {1, 3, 1}, .lease = rig_shell(0, 0, words)};
    array.lease.task.job = JOB;
    array.lease.memory_bytes = 64 << 20;
    rig_send(&rig, MSG_ARRAY, &array);
    ranges_send(&rig, 1, 1, 0, 3);
    book_wait(&rig, 2, 1, 1);
    const struct rig_event *event = rig_find(&rig, EVENT_RESULT, 2, 0);
    assert_int_equal(event->result.cause, CAUSE_OOM);
    assert_non_null(strstr(event->reason, "resources.memory"));
    rig_end(&rig);
}

static void test_dry_worker_runs_nothing(void **state)
{
    (void)state;
    struct rig rig;
    char text[256], path[192];
    int status;
    arrays_begin(&rig);
    kill(rig.worker, SIGKILL);
    rig_worker_wait(&rig, &status);
    rig.option = "dry";
    rig_worker_start(&rig);
    rig.want = rig.enrolments + 1;
    assert_true(rig_until(&rig, rig_is_enrolled));
    snprintf(path, sizeof path, "%s/ran", rig.folder);
    snprintf(text, sizeof text, ": >%s", path);
    array_tell(&rig, text, 3000, "");
    ranges_send(&rig, 1, 2, 0, 3000);
    book_wait(&rig, 3000, 0, 2);
    assert_int_not_equal(access(path, F_OK), 0);
    rig_end(&rig);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[0], "rig-worker") == 0) {
        return rig_worker_main(argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_array_of_short_tasks_gives_each_one_row_and_its_lanes_back),
        cmocka_unit_test(test_output_of_2000_tasks_is_found_byte_for_byte_also_after_a_restart),
        cmocka_unit_test(test_task_that_fails_is_told_with_the_end_of_its_own_output),
        cmocka_unit_test(test_program_that_is_not_there_is_told_by_name_and_error),
        cmocka_unit_test(test_child_that_left_its_task_is_ended_and_the_lane_goes_on),
        cmocka_unit_test(test_task_that_opens_its_stderr_anew_cuts_nobodys_log),
        cmocka_unit_test(test_task_that_writes_much_gets_a_file_of_its_own),
        cmocka_unit_test(test_log_of_a_running_task_is_read_live_and_in_pieces),
        cmocka_unit_test(test_cancelled_array_is_signalled_and_the_rest_returned),
        cmocka_unit_test(test_array_that_needs_a_folder_runs_as_attempts_and_logs_by_lane),
        cmocka_unit_test(test_array_with_log_files_keeps_what_each_task_wrote_in_its_own),
        cmocka_unit_test(test_log_file_of_a_task_that_writes_without_end_is_bounded),
        cmocka_unit_test(test_lines_of_an_array_reach_command_and_environment),
        cmocka_unit_test(test_task_that_takes_more_memory_than_it_asked_for_is_ended),
        cmocka_unit_test(test_dry_worker_runs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
