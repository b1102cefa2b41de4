/* What the environment says shall happen at which failpoint, and its happening. */
#ifdef MUSTER_FAILPOINTS

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "sys/failpoints.h"

enum {
    RULES_MAX = 128,
    RULE_MAX_BYTES = 128,
    MARKS_MAX_BYTES = 1024,
    DELAY_MAX_MS = 600000,
};

typedef enum { ACTION_KILL, ACTION_STOP, ACTION_DELAY, ACTION_ERROR } rule_action;

static const char *const action_words[] = {"kill", "stop", "delay", "error"};

static const struct {
    const char *name;
    int number;
} errors[] = {
    {"ENOSPC", ENOSPC}, {"EIO", EIO},       {"EDQUOT", EDQUOT}, {"EROFS", EROFS},
    {"EACCES", EACCES}, {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM}, {"ECONNRESET", ECONNRESET},
};

struct rule {
    failpoint_id point;
    rule_action action;
    int argument;     /* milliseconds, or errno */
    uint32_t nth;     /* 0: not by count */
    double of_100;    /* below 0: not by chance */
    atomic_uint hits; /* passages of this process */
};

static struct {
    struct rule rules[RULES_MAX];
    uint32_t n;
    uint64_t seed;
    char role[16];
    char marks[MARKS_MAX_BYTES]; /* "": none */
} points;

bool failpoints_are_built(void)
{
    return true;
}

/* ---- reading ---- */

static bool point_find(const char *name, failpoint_id *ret_id)
{
    for (int i = 0; i < FAILPOINTS_COUNT; i++) {
        if (strcmp(failpoint_table[i].name, name) == 0) {
            *ret_id = (failpoint_id)i;
            return true;
        }
    }
    return false;
}

static bool number_read(const char *text, long max, long *ret_number)
{
    char *end;
    errno = 0;
    *ret_number = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *ret_number >= 0 && *ret_number <= max;
}

/* "delay:100", "error:ENOSPC", "kill"; cuts `text`. */
static error_code action_read(char *text, struct rule *rule, struct report *report)
{
    char *argument = strchr(text, ':');
    if (argument != NULL) {
        *argument++ = '\0';
    }
    size_t n = sizeof action_words / sizeof action_words[0], action = 0;
    while (action < n && strcmp(action_words[action], text) != 0) {
        action++;
    }
    if (action == n) {
        return report_fail(report, ERR_INVALID,
                           "'%s' is no action of a failpoint: kill, stop, delay:MS or error:NAME",
                           text);
    }
    rule->action = (rule_action)action;
    bool has_argument = rule->action == ACTION_DELAY || rule->action == ACTION_ERROR;
    if (has_argument != (argument != NULL)) {
        return report_fail(report, ERR_INVALID, "the action %s of a failpoint %s", text,
                           has_argument ? "needs an argument behind a colon" : "takes no argument");
    }
    if (rule->action == ACTION_ERROR && !failpoint_table[rule->point].can_fail) {
        return report_fail(report, ERR_INVALID, "the failpoint %s cannot fail, only be passed",
                           failpoint_table[rule->point].name);
    }
    long number = 0;
    if (rule->action == ACTION_DELAY && !number_read(argument, DELAY_MAX_MS, &number)) {
        return report_fail(report, ERR_INVALID, "'%s' is no delay in milliseconds", argument);
    }
    for (size_t i = 0; rule->action == ACTION_ERROR && i < sizeof errors / sizeof errors[0]; i++) {
        number = strcmp(errors[i].name, argument) == 0 ? errors[i].number : number;
    }
    if (rule->action == ACTION_ERROR && number == 0) {
        return report_fail(report, ERR_INVALID, "'%s' is no error that a failpoint knows",
                           argument);
    }
    rule->argument = (int)number;
    return OK;
}

/* "@3" or "%2.5"; cut off `text`. */
static error_code when_read(char *text, struct rule *rule, struct report *report)
{
    char *at = strpbrk(text, "@%"), *end = NULL;
    rule->nth = 0;
    atomic_store(&rule->hits, 0);
    rule->of_100 = -1.0;
    if (at == NULL) {
        return OK;
    }
    bool is_count = *at == '@', is_good;
    *at++ = '\0';
    if (is_count) {
        long number = 0;
        is_good = number_read(at, INT32_MAX, &number) && number > 0;
        rule->nth = (uint32_t)number;
    } else {
        rule->of_100 = strtod(at, &end);
        is_good = end != at && *end == '\0' && rule->of_100 >= 0.0 && rule->of_100 <= 100.0;
    }
    return is_good ? OK
                   : report_fail(report, ERR_INVALID,
                                 "'%s' is neither a passage (@3) nor a chance (%%2.5)", at);
}

/* Cuts `text`. A rule of another role is forgotten, once it is known to be right. */
static error_code rule_read(char *text, struct report *report)
{
    char *action = strchr(text, '='), *slash = strchr(text, '/'), *name = text;
    bool is_ours = true;
    if (action == NULL) {
        return report_fail(report, ERR_INVALID,
                           "'%s' in MUSTER_FAILPOINTS is not [ROLE/]POINT=ACTION", text);
    }
    *action++ = '\0';
    if (slash != NULL && slash < action) {
        *slash = '\0';
        is_ours = strcmp(text, points.role) == 0;
        name = slash + 1;
    }
    if (points.n == RULES_MAX) {
        return report_fail(report, ERR_LIMIT, "MUSTER_FAILPOINTS has more than %d rules",
                           RULES_MAX);
    }
    struct rule *rule = &points.rules[points.n];
    if (!point_find(name, &rule->point)) {
        return report_fail(report, ERR_INVALID,
                           "there is no failpoint %s; 'muster debug failpoints' lists them", name);
    }
    error_code error = when_read(action, rule, report);
    error = error == OK ? action_read(action, rule, report) : error;
    points.n += error == OK && is_ours;
    return error;
}

error_code failpoints_open(const char *role, struct report *report)
{
    const char *text = getenv("MUSTER_FAILPOINTS"), *seed = getenv("MUSTER_FAILPOINTS_SEED");
    const char *marks = getenv("MUSTER_FAILPOINTS_MARKS");
    points.n = 0;
    points.seed = seed != NULL ? strtoull(seed, NULL, 10) : 0;
    ignore_error(snprintf(points.role, sizeof points.role, "%s", role) < 0, "it fits");
    int n = snprintf(points.marks, sizeof points.marks, "%s", marks != NULL ? marks : "");
    if (n < 0 || (size_t)n >= sizeof points.marks) {
        return report_fail(report, ERR_LIMIT, "the path in MUSTER_FAILPOINTS_MARKS is too long");
    }
    for (const char *at = text != NULL ? text : ""; *at != '\0';) {
        size_t len = strcspn(at, ",");
        char rule[RULE_MAX_BYTES];
        if (len >= sizeof rule) {
            return report_fail(report, ERR_LIMIT, "a rule of %zu bytes in MUSTER_FAILPOINTS", len);
        }
        memcpy(rule, at, len);
        rule[len] = '\0';
        error_code error = len > 0 ? rule_read(rule, report) : OK;
        if (error != OK) {
            return error;
        }
        at += len + (at[len] == ',');
    }
    return OK;
}

/* ---- acting ---- */

/* A value in [0, 100) of seed, rule and passage: the same run draws the same. */
static bool chance_is(const struct rule *rule, uint32_t hit)
{
    struct random random;
    random_init(&random, points.seed, (uint64_t)rule->point << 32 | hit);
    return random_unit(&random) * 100.0 < rule->of_100;
}

/* False: this rule has acted before. Only system calls: it may be the last thing that we do. */
static bool mark_make(const struct rule *rule)
{
    char path[MARKS_MAX_BYTES + 64];
    if (points.marks[0] == '\0') {
        return true;
    }
    ignore_error(
        snprintf(path, sizeof path, "%s/%s", points.marks, failpoint_table[rule->point].name) < 0,
        "it fits");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno != EEXIST;
    }
    ignore_error(
        dprintf(fd, "%s %ld %s\n", points.role, (long)getpid(), action_words[rule->action]) > 0
            ? OK
            : ERR_IO,
        "that the file is there says enough");
    close(fd);
    return true;
}

/* True: fail with errno. */
static bool rule_act(const struct rule *rule)
{
    struct pollfd nothing = {.fd = -1};
    switch (rule->action) {
    case ACTION_KILL:
        ignore_error(kill(getpid(), SIGKILL) == 0 ? OK : ERR_SYSTEM, "it cannot fail");
        return false;
    case ACTION_STOP:
        ignore_error(kill(getpid(), SIGSTOP) == 0 ? OK : ERR_SYSTEM, "it cannot fail");
        return false;
    case ACTION_DELAY:
        ignore_error(poll(&nothing, 1, rule->argument) == 0 ? OK : ERR_SYSTEM, "then shorter");
        return false;
    case ACTION_ERROR:
        errno = rule->argument;
        return true;
    }
    return false;
}

bool failpoint_pass(failpoint_id id)
{
    bool fails = false;
    int number = errno;
    for (uint32_t i = 0; i < points.n && !fails; i++) {
        struct rule *rule = &points.rules[i];
        if (rule->point != id) {
            continue;
        }
        uint32_t hit = atomic_fetch_add(&rule->hits, 1) + 1;
        bool is_due = rule->nth > 0       ? hit == rule->nth
                      : rule->of_100 >= 0 ? chance_is(rule, hit)
                                          : true;
        fails = is_due && mark_make(rule) && rule_act(rule);
    }
    errno = fails ? errno : number; /* who passes sees nothing of it */
    return fails;
}

#else
typedef int failpoint_rules_are_not_built; /* an empty file is not C */
#endif
