#include "base/mem.h"
#include "tune/halving_state.h"

enum { CAP_FIRST = 16 };

/* ---- lines of held trials ---- */

static struct line *mark_line(struct trial_scheduler *halving, const struct mark *mark)
{
    return mark->state == MARK_GOES_ON ? &halving->going : &halving->ending;
}

static void line_join(struct trial_scheduler *halving, struct mark *mark, uint32_t trial)
{
    line_push(mark_line(halving, mark), halving->links, trial);
    mark->is_in_line = true;
}

static void line_leave(struct trial_scheduler *halving, struct mark *mark, uint32_t trial)
{
    if (mark->is_in_line) {
        line_remove(mark_line(halving, mark), halving->links, trial);
        mark->is_in_line = false;
    }
}

/* ---- rungs that become complete ---- */

/* All have come: the best take the places that are left, the others end. */
static void rung_decide(struct trial_scheduler *halving, const struct sweep_view *view,
                        struct sync_rung *rung, struct sync_rung *next)
{
    uint32_t places = sync_rung_places(rung);
    sync_rung_sort(rung);
    for (uint32_t k = 0; k < rung->n_results; k++) {
        uint32_t trial = rung->results[k].trial;
        struct mark *mark = mark_of(halving, trial);
        if (!mark_is_candidate(mark)) {
            continue;
        }
        bool goes_on = places > 0;
        mark->state = goes_on ? MARK_GOES_ON : MARK_ENDS;
        next->n_entered += goes_on;
        places -= goes_on;
        const struct trial *held = trials_find(view->trials, trial);
        if (held->state == TRIAL_HELD && held->leaving == TUNE_PAUSE) {
            line_join(halving, mark, trial);
        }
    }
    next->n_entered += places; /* there are not so many: lost before they began */
    next->n_lost += places;
    rung->is_decided = true;
    sync_rung_fini(rung);
}

/* After a result or a loss. */
static void bracket_advance(struct trial_scheduler *halving, const struct sweep_view *view,
                            struct bracket *bracket)
{
    for (uint32_t i = 0; i + 1 < bracket->n_rungs; i++) {
        struct sync_rung *rung = &bracket->rungs[i];
        if (!rung->is_decided) {
            if (!bracket_rung_is_full(halving, view, bracket, i) ||
                !sync_rung_is_complete(rung, 0)) {
                return;
            }
            rung_decide(halving, view, rung, rung + 1);
        }
    }
}

/* Told to go on: it climbs to the next rung, whether its own is complete or not. */
static void mark_climb(struct bracket *bracket, struct mark *mark)
{
    struct sync_rung *rung = &bracket->rungs[mark->rung];
    if (mark->state == MARK_RESULT) {
        rung->n_early++;
        rung[1].n_entered++;
    }
    rung->n_went_on++;
    mark->state = MARK_DUE;
    mark->rung++;
}

/* ---- entries ---- */

error_code halving_apply(struct trial_scheduler *halving, const struct sweep_view *view,
                         int64_t judged, const struct tune_event *event, int64_t *ret_judged)
{
    struct mark *mark = mark_of(halving, event->trial);
    struct bracket *bracket = bracket_of(halving, mark);
    struct sync_rung *rung = &bracket->rungs[mark->rung];
    bool is_top = mark->rung + 1U == bracket->n_rungs;
    *ret_judged = judged;
    if (mark->state != MARK_DUE || event->step < rung->step) {
        return OK;
    }
    error_code error = is_top ? OK : sync_rung_add(rung, event->trial, event->value);
    if (error != OK) {
        return error;
    }
    rung->n_results += is_top;
    mark->state = event->decision.act == TUNE_STOP || is_top ? MARK_ENDS : MARK_RESULT;
    if (event->decision.act == TUNE_GO && !is_top) {
        mark_climb(bracket, mark);
    }
    *ret_judged = rung->step;
    bracket_advance(halving, view, bracket);
    return OK;
}

static error_code marks_reserve(struct trial_scheduler *halving, uint32_t trial)
{
    if (trial <= halving->cap) {
        return OK;
    }
    uint32_t cap = halving->cap == 0 ? CAP_FIRST : halving->cap * 2;
    struct mark *marks = mem_realloc(halving->marks, cap * sizeof *marks);
    halving->marks = marks != NULL ? marks : halving->marks;
    struct line_link *links = mem_realloc(halving->links, cap * sizeof *links);
    halving->links = links != NULL ? links : halving->links;
    if (marks == NULL || links == NULL) {
        return ERR_NO_MEMORY;
    }
    halving->cap = cap;
    return OK;
}

static error_code brackets_reserve(struct trial_scheduler *halving)
{
    if (halving->n_brackets < halving->cap_brackets) {
        return OK;
    }
    uint32_t cap = halving->cap_brackets == 0 ? CAP_FIRST : halving->cap_brackets * 2;
    struct bracket *brackets = mem_realloc(halving->brackets, cap * sizeof *brackets);
    if (brackets == NULL) {
        return ERR_NO_MEMORY;
    }
    halving->brackets = brackets;
    halving->cap_brackets = cap;
    return OK;
}

static error_code bracket_open(struct trial_scheduler *halving)
{
    struct bracket_shape shape;
    error_code error = brackets_reserve(halving);
    if (error != OK) {
        return error;
    }
    halving->shape(halving->spec, halving->n_brackets, &shape);
    struct bracket bracket = {.n = shape.n, .n_rungs = shape.ladder.n};
    bracket.rungs = mem_calloc(bracket.n_rungs, sizeof *bracket.rungs);
    if (bracket.rungs == NULL) {
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < bracket.n_rungs; i++) {
        sync_rung_init(&bracket.rungs[i], shape.ladder.steps[i], halving->spec);
    }
    halving->brackets[halving->n_brackets++] = bracket;
    return OK;
}

static error_code note_asked(struct trial_scheduler *halving, const struct sweep_view *view,
                             const struct tune_event *event)
{
    (void)view;
    const struct bracket *last =
        halving->n_brackets > 0 ? &halving->brackets[halving->n_brackets - 1] : NULL;
    bool is_open = last != NULL && !last->rungs[0].is_decided && last->rungs[0].n_entered < last->n;
    error_code error = marks_reserve(halving, event->trial);
    if (error == OK && !is_open) {
        error = bracket_open(halving);
    }
    if (error == OK) {
        halving->marks[halving->n++] = (struct mark){.bracket = halving->n_brackets - 1};
        halving->brackets[halving->n_brackets - 1].rungs[0].n_entered++;
    }
    return error;
}

static error_code note_held(struct trial_scheduler *halving, const struct sweep_view *view,
                            const struct tune_event *event)
{
    struct mark *mark = mark_of(halving, event->trial);
    bool is_judged = mark->state == MARK_GOES_ON || mark->state == MARK_ENDS;
    if (trials_find(view->trials, event->trial)->leaving == TUNE_PAUSE && is_judged) {
        line_join(halving, mark, event->trial);
    }
    return OK;
}

static error_code note_woken(struct trial_scheduler *halving, const struct sweep_view *view,
                             const struct tune_event *event)
{
    struct mark *mark = mark_of(halving, event->trial);
    (void)view;
    line_leave(halving, mark, event->trial);
    if (event->decision.act == TUNE_STOP) {
        mark->state = MARK_ENDS;
    } else if (mark->state == MARK_GOES_ON || mark->state == MARK_RESULT) {
        mark_climb(bracket_of(halving, mark), mark);
    }
    return OK;
}

/* The rung that lacks the trial, if it is gone; NULL: it has been there. */
static struct sync_rung *mark_awaited(const struct trial_scheduler *halving,
                                      const struct mark *mark)
{
    struct bracket *bracket = bracket_of(halving, mark);
    return mark->state == MARK_DUE       ? &bracket->rungs[mark->rung]
           : mark->state == MARK_GOES_ON ? &bracket->rungs[mark->rung + 1]
                                         : NULL;
}

static error_code note_ended(struct trial_scheduler *halving, const struct sweep_view *view,
                             const struct tune_event *event)
{
    struct mark *mark = mark_of(halving, event->trial);
    struct sync_rung *rung = mark_awaited(halving, mark);
    line_leave(halving, mark, event->trial);
    mark->is_gone = true;
    if (rung != NULL) {
        rung->n_lost++;
        bracket_advance(halving, view, bracket_of(halving, mark));
    }
    return OK;
}

/* It is back where it was, if its bracket waits for it still. */
static error_code note_reopened(struct trial_scheduler *halving, const struct sweep_view *view,
                                const struct tune_event *event)
{
    struct mark *mark = mark_of(halving, event->trial);
    struct bracket *bracket = bracket_of(halving, mark);
    struct sync_rung *rung = mark_awaited(halving, mark);
    (void)view;
    mark->is_gone = false;
    if (rung != NULL && !rung->is_decided) {
        rung->n_lost--;
        mark->rung = (uint8_t)(rung - bracket->rungs);
        mark->state = MARK_DUE;
    } else if (mark->state != MARK_RESULT || bracket->rungs[mark->rung].is_decided) {
        mark->state = MARK_OUT;
    }
    return OK;
}

/* There may be no more trials to wait for. */
static error_code note_resumed(struct trial_scheduler *halving, const struct sweep_view *view,
                               const struct tune_event *event)
{
    (void)event;
    if (halving->n_brackets > 0) {
        bracket_advance(halving, view, &halving->brackets[halving->n_brackets - 1]);
    }
    return OK;
}

error_code halving_note(struct trial_scheduler *halving, const struct sweep_view *view,
                        const struct tune_event *event)
{
    static error_code (*const notes[TUNE_EVENT_WOKEN + 1])(
        struct trial_scheduler *, const struct sweep_view *, const struct tune_event *) = {
        [TUNE_EVENT_ASKED] = note_asked,       [TUNE_EVENT_HELD] = note_held,
        [TUNE_EVENT_WOKEN] = note_woken,       [TUNE_EVENT_ENDED] = note_ended,
        [TUNE_EVENT_REOPENED] = note_reopened, [TUNE_EVENT_RESUMED] = note_resumed,
    };
    return notes[event->kind] != NULL ? notes[event->kind](halving, view, event) : OK;
}
