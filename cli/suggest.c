#include "cli/suggest.h"

#include <string.h>

static unsigned cli_distance(const char *a, const char *b)
{
    enum { LONGEST = 31 };
    size_t n = strnlen(a, LONGEST), m = strnlen(b, LONGEST);
    unsigned row[LONGEST + 1], before[LONGEST + 1], before_that[LONGEST + 1];
    for (size_t j = 0; j <= m; j++) {
        row[j] = (unsigned)j;
    }
    memcpy(before, row, sizeof before);
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        memcpy(before_that, before, sizeof before);
        memcpy(before, row, sizeof before);
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned above = row[j];
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            best = is_swap && before_that[j - 2] + 1 < best ? before_that[j - 2] + 1 : best;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[m];
}

/* Of a short word nearly everything is near. */
static unsigned cli_distance_max(const char *word)
{
    size_t n = strlen(word) / 2 + 1;
    return n < 3 ? (unsigned)n : 3;
}

static const char *cli_nearest(const char *word, const char *candidate, const char *nearest,
                               unsigned *distance)
{
    unsigned d = cli_distance(word, candidate);
    if (d < *distance) {
        *distance = d;
        return candidate;
    }
    return nearest;
}

bool cli_is_noun(const char *word)
{
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        if (cli_verbs[i].noun != NULL && strcmp(cli_verbs[i].noun, word) == 0) {
            return true;
        }
    }
    return false;
}

const struct cli_verb *cli_verb_find(const char *noun, const char *name)
{
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        bool is_noun =
            noun == NULL ? verb->noun == NULL : verb->noun != NULL && strcmp(verb->noun, noun) == 0;
        if (is_noun && strcmp(verb->name, name) == 0) {
            return verb;
        }
    }
    return NULL;
}

/* 'sweep list', 'trial list', ...: the verbs of this name that want a noun. */
static void noun_verbs_print(const char *name, struct buf *ret_text)
{
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        if (verb->noun != NULL && strcmp(verb->name, name) == 0) {
            ignore_error(buf_printf(ret_text, "%s'muster %s %s'", ret_text->len > 0 ? ", " : "",
                                    verb->noun, verb->name),
                         "shown as far as it goes");
        }
    }
}

/* `name` is a verb of nouns alone: true after the message. */
static bool cli_noun_lacks(const char *word, const char *name)
{
    struct buf text;
    buf_init(&text, 1 << 12);
    if (!cli_is_noun(name) && cli_verb_find(NULL, name) == NULL) {
        noun_verbs_print(name, &text);
    }
    bool is_one = text.len > 0;
    if (is_one && strcmp(word, name) == 0) {
        cli_fail(EXIT_USAGE, "'%s' of what? There is %s", word, buf_text(&text));
    } else if (is_one) {
        cli_fail(EXIT_USAGE, "there is no verb '%s'; did you mean %s?", word, buf_text(&text));
    }
    buf_fini(&text);
    return is_one;
}

int cli_noun_alone(const char *noun)
{
    struct buf text;
    buf_init(&text, 1 << 12);
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        if (verb->noun != NULL && strcmp(verb->noun, noun) == 0) {
            ignore_error(buf_printf(&text, "%s%s", text.len > 0 ? ", " : "", verb->name),
                         "shown as far as it goes");
        }
    }
    int code = cli_fail(EXIT_USAGE,
                        "'%s' wants a verb: %s; e.g. 'muster %s list', or see 'muster "
                        "help %s'",
                        noun, buf_text(&text), noun, noun);
    buf_fini(&text);
    return code;
}

int cli_unknown_verb(const char *noun, const char *word)
{
    const char *nearest = NULL;
    unsigned distance = cli_distance_max(word);
    for (unsigned i = 0; i < cli_verbs_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        if (noun == NULL) {
            nearest =
                cli_nearest(word, verb->noun != NULL ? verb->noun : verb->name, nearest, &distance);
            nearest = cli_nearest(word, verb->name, nearest, &distance);
        } else if (verb->noun != NULL && strcmp(verb->noun, noun) == 0) {
            nearest = cli_nearest(word, verb->name, nearest, &distance);
        }
    }
    if (noun == NULL && cli_noun_lacks(word, nearest != NULL ? nearest : word)) {
        return EXIT_USAGE;
    }
    const char *space = noun != NULL ? " " : "";
    noun = noun != NULL ? noun : "";
    if (nearest != NULL) {
        return cli_fail(EXIT_USAGE, "there is no verb '%s%s%s'; did you mean '%s%s%s'?", noun,
                        space, word, noun, space, nearest);
    }
    return cli_fail(EXIT_USAGE, "there is no verb '%s%s%s'; see 'muster help%s%s'", noun, space,
                    word, space, noun);
}

int cli_unknown_option(const struct cli_verb *verb, const char *word)
{
    const char *nearest = NULL;
    unsigned distance = cli_distance_max(word);
    const struct cli_option *tables[] = {verb->options, cli_options_of_all};
    for (int t = 0; t < 2; t++) {
        for (const struct cli_option *o = tables[t]; o->name != NULL; o++) {
            nearest = cli_nearest(word + strspn(word, "-"), o->name, nearest, &distance);
        }
    }
    const char *noun = verb->noun != NULL ? verb->noun : "", *space = verb->noun != NULL ? " " : "";
    if (nearest != NULL) {
        return cli_fail(EXIT_USAGE, "unknown option '%s' of '%s%s%s'; did you mean '--%s'?", word,
                        noun, space, verb->name, nearest);
    }
    return cli_fail(EXIT_USAGE, "unknown option '%s'; see 'muster help %s%s%s'", word, noun, space,
                    verb->name);
}
