/* Named users: made, recognised, expired, revoked, and the same after a restart. */
#include "rig.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"

static uint32_t status_of(const struct rig *r, uint64_t request)
{
    const struct rig_sent *answer = rig_answer(r, request);
    assert_non_null(answer);
    return answer->status;
}

static uint32_t user_new(struct rig *r, uint64_t request, const char *name, const char *hash,
                         user_role role, time_ms expires)
{
    const struct record_user record = {
        .name = name, .role = role, .hash = hash, .expires = expires, .by = "admin"};
    on_user_new(r->core, r->now, request, &record, "the-token");
    rig_turn(r);
    return status_of(r, request);
}

static bool is_known(struct rig *r, const char *hash, const char *name, user_role role)
{
    struct core_identity identity;
    return core_user_identify(r->core, r->now, hash, &identity, NULL) &&
           strcmp(identity.name, name) == 0 && identity.role == role;
}

/* The rig's restart knows the tables of work; a deleted field stays as an empty one there. */
static void restart(struct rig *r)
{
    rig_restart(r);
    for (unsigned i = 0; i < r->n_store; i++) {
        const struct rig_field *f = &r->store[i];
        if (strcmp(f->key, "users") == 0 && f->len > 0) {
            struct bytes field = {(uint8_t *)f->field, strlen(f->field)};
            struct bytes value = {f->value, f->len};
            assert_int_equal(core_load_record(r->core, "users", field, value, NULL), OK);
        }
    }
}

static void test_user_new_is_known_by_its_hash_after_a_restart_too(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct core_identity identity;
    assert_int_equal(user_new(r, 1, "alice", HASH_A, ROLE_READER, 0), 201);
    assert_non_null(strstr(rig_answer(r, 1)->body, "\"token\":\"the-token\""));
    assert_true(is_known(r, HASH_A, "alice", ROLE_READER));
    assert_false(core_user_identify(r->core, r->now, HASH_B, &identity, NULL));
    restart(r);
    assert_true(is_known(r, HASH_A, "alice", ROLE_READER));
    rig_free(r);
}

static void test_user_new_answer_waits_for_its_batch(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    const struct record_user record = {.name = "alice", .role = ROLE_USER, .hash = HASH_A};
    r->is_store_stalled = true;
    on_user_new(r->core, r->now, 1, &record, "the-token");
    rig_turn(r);
    assert_null(rig_answer(r, 1));
    rig_batch_reply(r);
    assert_int_equal(status_of(r, 1), 201);
    rig_free(r);
}

static void test_token_is_in_no_record(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    assert_int_equal(user_new(r, 1, "alice", HASH_A, ROLE_USER, 0), 201);
    for (unsigned i = 0; i < r->n_store; i++) {
        assert_null(memmem(r->store[i].value, r->store[i].len, "the-token", 9));
    }
    view_users(r->core, r->now, 2);
    rig_turn(r);
    assert_null(strstr(rig_answer(r, 2)->body, "the-token"));
    assert_null(strstr(rig_answer(r, 2)->body, HASH_A));
    assert_non_null(strstr(rig_answer(r, 2)->body, "\"alice\""));
    rig_free(r);
}

static void test_user_with_a_key_gets_no_second_one(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    assert_int_equal(user_new(r, 1, "alice", HASH_A, ROLE_USER, 0), 201);
    assert_int_equal(user_new(r, 2, "alice", HASH_B, ROLE_ADMIN, 0), 409);
    assert_true(is_known(r, HASH_A, "alice", ROLE_USER));
    rig_free(r);
}

static void test_user_expired_is_told_the_date_and_may_be_made_anew(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct core_identity identity;
    struct report report = {0};
    assert_int_equal(user_new(r, 1, "alice", HASH_A, ROLE_USER, r->now + 1000), 201);
    assert_true(is_known(r, HASH_A, "alice", ROLE_USER));
    r->now += 1000;
    assert_false(core_user_identify(r->core, r->now, HASH_A, &identity, &report));
    assert_non_null(strstr(report.text, "1970-01-01T00:16:41"));
    assert_int_equal(user_new(r, 2, "alice", HASH_B, ROLE_USER, 0), 201);
    restart(r);
    assert_true(is_known(r, HASH_B, "alice", ROLE_USER));
    assert_false(core_user_identify(r->core, r->now, HASH_A, &identity, NULL));
    rig_free(r);
}

static void test_user_revoked_is_unknown_for_good(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct core_identity identity;
    assert_int_equal(user_new(r, 1, "alice", HASH_A, ROLE_USER, 0), 201);
    assert_true(on_user_revoke(r->core, r->now, 2, "alice"));
    rig_turn(r);
    assert_int_equal(status_of(r, 2), 200);
    assert_false(core_user_identify(r->core, r->now, HASH_A, &identity, NULL));
    assert_false(on_user_revoke(r->core, r->now, 3, "alice"));
    rig_turn(r);
    assert_int_equal(status_of(r, 3), 404);
    restart(r);
    assert_false(core_user_identify(r->core, r->now, HASH_A, &identity, NULL));
    rig_free(r);
}

static void test_user_names_that_would_deceive_are_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    static const char *const names[] = {
        "admin", "",    "a b",
        "../x",  "a/b", "-x",
        "ä",     "x\n", "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(user_new(r, 10 + i, names[i], HASH_A, ROLE_USER, 0), 400);
    }
    assert_int_equal(user_new(r, 1, "late", HASH_A, ROLE_USER, r->now), 400);
    assert_int_equal(rig_store_count(r, "users"), 0);
    rig_free(r);
}

static void test_users_past_the_limit_are_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    char name[32];
    const struct record_user record = {.name = name, .role = ROLE_USER, .hash = HASH_A};
    for (int i = 0; i <= CORE_USERS_MAX; i++) {
        snprintf(name, sizeof name, "u%d", i);
        on_user_new(r->core, r->now, (uint64_t)(i + 1), &record, "t");
        rig_turn(r);
    }
    assert_int_equal(status_of(r, CORE_USERS_MAX), 201);
    assert_int_equal(status_of(r, CORE_USERS_MAX + 1), 413);
    rig_free(r);
}

/* Each allocation in turn: rig_free() says if a block stays. */
static void test_user_new_without_memory_leaves_nothing(void **state)
{
    (void)state;
    const struct record_user record = {
        .name = "ann", .role = ROLE_USER, .hash = HASH_A, .by = "me"};
    bool has_failed = true;
    for (uint64_t k = 1; has_failed; k++) {
        struct rig *r = rig_new();
        mem_fail_at(k);
        on_user_new(r->core, r->now, 1, &record, "t");
        has_failed = mem_has_failed();
        mem_fail_at(0);
        assert_int_equal(core_failed(r->core), has_failed ? ERR_NO_MEMORY : OK);
        rig_free(r);
    }
}

static void test_owner_of_work_is_known_by_its_number(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    uint32_t sweep = rig_submit(r, rig_sweep, NULL);
    assert_string_equal(core_work_owner(r->core, sweep), "me");
    assert_null(core_work_owner(r->core, sweep + 1));
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_new_is_known_by_its_hash_after_a_restart_too),
        cmocka_unit_test(test_user_new_answer_waits_for_its_batch),
        cmocka_unit_test(test_token_is_in_no_record),
        cmocka_unit_test(test_user_with_a_key_gets_no_second_one),
        cmocka_unit_test(test_user_expired_is_told_the_date_and_may_be_made_anew),
        cmocka_unit_test(test_user_revoked_is_unknown_for_good),
        cmocka_unit_test(test_user_names_that_would_deceive_are_refused),
        cmocka_unit_test(test_users_past_the_limit_are_refused),
        cmocka_unit_test(test_user_new_without_memory_leaves_nothing),
        cmocka_unit_test(test_owner_of_work_is_known_by_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
