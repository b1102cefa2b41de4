/* muster trial env, muster exploit: where a trainer in shell starts, as lines for `eval`. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/trial_acts.h"
#include "spec/macros.h"

extern char **environ;

/* export NAME='text', for any shell. */
static void export_print(const char *name, const char *text)
{
    printf("export %s='", name);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'') {
            fputs("'\\''", stdout);
        } else {
            putchar(*c);
        }
    }
    puts("'");
}

static void export_json(const char *name, const json_t *value)
{
    struct buf text;
    buf_init(&text, MACROS_TEXT_MAX_BYTES);
    ignore_error(cli_json_append(&text, value), "empty then; MUSTER_P_... are there");
    export_print(name, json_is_string(value) ? json_string_value(value)
                       : text.failed == OK   ? buf_text(&text)
                                             : "");
    buf_fini(&text);
}

static void export_int(const char *name, const json_t *answer, const char *key)
{
    char text[32] = "";
    if (json_is_integer(cli_json_get(answer, key))) {
        snprintf(text, sizeof text, "%lld", (long long)cli_json_int(answer, key));
    }
    export_print(name, text);
}

/* A parameter of the old ones that is not among the new ones: a conditional one, whose choice was
 * not taken. */
static void unset_print(const json_t *params)
{
    for (char **entry = environ; *entry != NULL; entry++) {
        const char *equals = strchr(*entry, '='), *name;
        json_t *value;
        bool is_there = false;
        if (equals == NULL || strncmp(*entry, "MUSTER_P_", 9) != 0) {
            continue;
        }
        json_object_foreach((json_t *)(uintptr_t)params, name, value)
        {
            char variable[MACROS_ENV_NAME_MAX];
            (void)value;
            macros_env_name(name, variable);
            is_there = is_there || (strlen(variable) == (size_t)(equals - *entry) &&
                                    strncmp(variable, *entry, strlen(variable)) == 0);
        }
        if (!is_there) {
            printf("unset %.*s\n", (int)(equals - *entry), *entry);
        }
    }
    puts("unset MUSTER_PARAMS_FILE"); /* the file has the first parameters for ever */
}

static void env_print(const json_t *answer, bool is_exploit)
{
    const json_t *params = cli_json_get(answer, "params");
    const char *name;
    json_t *value;
    if (is_exploit) {
        unset_print(params);
    }
    json_object_foreach((json_t *)(uintptr_t)params, name, value)
    {
        char variable[MACROS_ENV_NAME_MAX];
        if (strlen(name) + sizeof "MUSTER_P_" <= sizeof variable) {
            export_json(macros_env_name(name, variable), value);
        }
    }
    export_json("MUSTER_PARAMS", params);
    export_print("MUSTER_RESTORE", cli_json_str(answer, "restore"));
    export_int("MUSTER_STEP", answer, "step");
    export_int("MUSTER_SAVE_AT", answer, "save");
}

/* --can a,b as an array of words; NULL after the message. */
static json_t *can_read(const struct cli *cli)
{
    static const char *const words[] = {"checkpoint", "pause", "exploit"};
    const char *at = cli_option(cli, "can");
    json_t *can = json_array();
    for (at = at != NULL ? at : "checkpoint,pause"; *at != '\0';) {
        size_t n = strcspn(at, ","), i = 0;
        while (i < 3 && (strlen(words[i]) != n || strncmp(at, words[i], n) != 0)) {
            i++;
        }
        if (i == 3) {
            cli_fail(EXIT_USAGE, "--can is a list of checkpoint, pause and exploit, not '%.*s'",
                     (int)n, at);
            json_decref(can);
            return NULL;
        }
        json_array_append_new(can, json_string(words[i]));
        at += n + (at[n] == ',');
    }
    return can;
}

int verb_trial_env(struct cli *cli)
{
    json_t *can = can_read(cli), *answer = NULL;
    if (can == NULL) {
        return EXIT_USAGE;
    }
    struct trial_talk talk;
    talk_outcome outcome = trial_talk_open(&talk);
    if (outcome == TALK_ANSWERED) {
        outcome = trial_talk_ask(&talk, json_pack("{s:i,s:O}", "hello", 1, "can", can), &answer);
    }
    int code = outcome == TALK_REFUSED ? EXIT_REQUEST : EXIT_OK;
    if (outcome == TALK_ANSWERED) {
        env_print(answer, false);
    } else if (code == EXIT_OK) {
        /* By itself: the parameters are those of the environment, and there is nothing to restore.
         */
        puts("export MUSTER_RESTORE=''\nexport MUSTER_STEP='0'\nexport MUSTER_SAVE_AT=''");
    }
    json_decref(answer);
    json_decref(can);
    trial_talk_close(&talk);
    return code;
}

int verb_exploit(struct cli *cli)
{
    (void)cli;
    struct trial_talk talk;
    json_t *answer = NULL;
    talk_outcome outcome = trial_talk_open(&talk);
    if (outcome == TALK_ANSWERED) {
        outcome = trial_talk_ask(&talk, json_pack("{s:i}", "exploit", 1), &answer);
    }
    int code = EXIT_OK;
    if (outcome == TALK_ANSWERED) {
        env_print(answer, true);
    } else {
        code = trial_talk_exit(outcome);
    }
    json_decref(answer);
    trial_talk_close(&talk);
    return code;
}
