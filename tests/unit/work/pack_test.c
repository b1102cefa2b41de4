/* A folder packed, sent as bytes, and unpacked again; and everything that must not be packed or
 * unpacked. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "../folder.h"
#include "work/pack.h"
#include "work/tree.h"
#include "work/unpack.h"
#include "work/ustar.h"

static const struct work_limits limits = {1 << 30, 1000};

static void shell(void **state, const char *command)
{
    char line[4000];
    snprintf(line, sizeof line, "cd '%s' && { %s; }", (const char *)*state, command);
    assert_int_equal(system(line), 0);
}

static error_code pack_open(void **state, const char *pattern, uint64_t max,
                            struct work_pack **ret_pack, struct report *report)
{
    struct work_rules *rules;
    assert_int_equal(work_rules_new(&pattern, pattern != NULL ? 1 : 0, &rules, report), OK);
    char folder[600];
    snprintf(folder, sizeof folder, "%s", folder_path(state, "in"));
    const struct work_pack_options options = {folder, rules, max};
    error_code error = work_pack_new(&options, ret_pack, report);
    work_rules_free(rules);
    return error;
}

/* Writes the archive of `in` to `tar`, in pieces of an odd size. */
static void pack_save(void **state, char ret_hash[WORK_HASH_TEXT_BYTES])
{
    struct work_pack *pack;
    struct report report = {0};
    char piece[777];
    size_t n = 1;
    uint64_t total = 0;
    if (pack_open(state, NULL, 1 << 30, &pack, &report) != OK) {
        fail_msg("%s", report.text);
    }
    assert_int_equal(work_pack_hash(pack, ret_hash, &report), OK);
    FILE *file = fopen(folder_path(state, "tar"), "w");
    while (n > 0) {
        assert_int_equal(work_pack_read(pack, piece, sizeof piece, &n, &report), OK);
        assert_int_equal(fwrite(piece, 1, n, file), n);
        total += n;
    }
    fclose(file);
    assert_int_equal(total, work_pack_bytes(pack));
    work_pack_free(pack);
}

typedef enum { SUMS_NONE, SUMS_GOOD, SUMS_LAST_WRONG } sums;

/* In pieces of an odd size. hash NULL: whatever it is. */
static error_code unpack_summed(void **state, const char *hash, const char *to, sums kind,
                                const struct work_limits *with, struct report *report)
{
    uint8_t piece[333];
    char real[WORK_HASH_TEXT_BYTES];
    uint64_t bytes;
    struct work_unpack *made;
    struct work_hasher hasher;
    work_hasher_init(&hasher);
    error_code error = work_unpack_new(folder_path(state, to), with, &made, report);
    if (error != OK) {
        return error;
    }
    FILE *file = fopen(folder_path(state, "tar"), "r");
    size_t n;
    while (error == OK && (n = fread(piece, 1, sizeof piece, file)) > 0) {
        work_hasher_add(&hasher, piece, n);
        struct bytes bytes_of = {piece, n};
        uint64_t sum = kind == SUMS_NONE ? 0 : work_piece_sum(bytes_of);
        sum += kind == SUMS_LAST_WRONG && n < sizeof piece;
        error = work_unpack_add(made, bytes_of, sum, report);
    }
    fclose(file);
    work_hasher_end(&hasher, real);
    if (error == OK) {
        error = work_unpack_end(made, hash != NULL ? hash : real, &bytes, report);
    }
    work_unpack_free(made);
    return error;
}

static error_code unpack(void **state, const char *hash, const char *to,
                         const struct work_limits *with, struct report *report)
{
    return unpack_summed(state, hash, to, SUMS_NONE, with, report);
}

/* The sums prove the pieces, and then the name is not looked at. */
static void test_unpack_by_sums_refuses_a_piece_that_is_another(void **state)
{
    char hash[WORK_HASH_TEXT_BYTES];
    struct report report = {0};
    shell(state, "mkdir in; head -c 5000 /dev/urandom > in/a");
    pack_save(state, hash);
    assert_int_equal(unpack_summed(state, "", "out", SUMS_LAST_WRONG, &limits, &report),
                     ERR_FORMAT);
    assert_non_null(strstr(report.text, "not those that its name says"));
    shell(state, "test ! -e out");
    assert_int_equal(unpack_summed(state, "", "out", SUMS_GOOD, &limits, &report), OK);
    shell(state, "diff -r in out");
}

static void test_pack_and_unpack_give_the_same_tree_read_only(void **state)
{
    char hash[WORK_HASH_TEXT_BYTES];
    struct report report = {0};
    shell(state, "mkdir -p in/empty in/sub/deep in/.git; echo x > in/.git/HEAD; echo hello > in/a; "
                 "printf '' > in/none; cp /bin/ls in/sub/run; ln -s ../a in/sub/link; "
                 "chmod 755 in/sub/run; head -c 100000 /dev/urandom > in/sub/deep/data; "
                 "n=$(printf '%090d' 7); mkdir -p in/$n/$n/$n; echo long > in/$n/$n/$n/$n; "
                 "ln -s $n/$n/$n in/longlink");
    pack_save(state, hash);
    if (unpack(state, hash, "out", &limits, &report) != OK) {
        fail_msg("%s", report.text);
    }
    shell(state, "rm -r in/.git; diff -r --no-dereference in out");
    shell(state, "test -z \"$(find out ! -type l -perm /222)\" && test -x out/sub/run && "
                 "test ! -x out/a && test -d out/empty");
    assert_true(work_tree_bytes(folder_path(state, "out")) > 100000);
}

static void test_pack_of_equal_folders_has_one_name_and_tar_reads_it(void **state)
{
    char first[WORK_HASH_TEXT_BYTES], second[WORK_HASH_TEXT_BYTES];
    shell(state, "mkdir in; echo 1 > in/b; echo 2 > in/a; mkdir in/c");
    pack_save(state, first);
    shell(state, "mkdir t && tar -C t -xf tar && diff -r in t && rm -r in && mkdir in in/c && "
                 "echo 2 > in/a && echo 1 > in/b && touch -d 2001-01-01 in/a && chmod 600 in/b");
    pack_save(state, second);
    assert_string_equal(first, second);
    assert_true(work_hash_is_good(first));
}

static void test_pack_over_max_names_the_largest(void **state)
{
    struct work_pack *pack;
    struct report report = {0};
    shell(state, "mkdir -p in/data; head -c 300000 /dev/zero > in/data/big; echo x > in/small; "
                 "head -c 20000 /dev/zero > in/mid");
    assert_int_equal(pack_open(state, NULL, 100000, &pack, &report), ERR_LIMIT);
    assert_non_null(strstr(report.text, "data/ 293.0 KiB, mid"));
    assert_non_null(strstr(report.text, "workdir.ignore"));
    assert_int_equal(pack_open(state, "data/", 100000, &pack, &report), OK);
    work_pack_free(pack);
}

static void test_pack_refuses_what_cannot_be_sent(void **state)
{
    static const struct {
        const char *make;
        const char *word;
    } rows[] = {
        {"mkfifo in/x", "named pipe"},
        {"ln -s /etc in/x", "link"},
        {"ln -s ../tar in/x", "link"},
        {"mkdir in/z in/y; ln -s ../z in/y/d; ln -s y/d/../../tar in/x; touch tar", "link"},
    };
    struct work_pack *pack;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct report report = {0};
        shell(state, "rm -rf in; mkdir in");
        shell(state, rows[i].make);
        assert_int_equal(pack_open(state, NULL, 1 << 30, &pack, &report), ERR_INVALID);
        assert_non_null(strstr(report.text, "in/x"));
        assert_non_null(strstr(report.text, rows[i].word));
        assert_int_equal(pack_open(state, "x", 1 << 30, &pack, &report), OK);
        work_pack_free(pack);
    }
}

static void test_pack_refuses_a_socket(void **state)
{
    struct work_pack *pack;
    struct report report = {0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    shell(state, "mkdir in");
    snprintf(address.sun_path, sizeof address.sun_path, "%.90s", folder_path(state, "in/s"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    assert_int_equal(pack_open(state, NULL, 1 << 30, &pack, &report), ERR_INVALID);
    assert_non_null(strstr(report.text, "in/s is a socket"));
}

static void test_pack_refuses_a_device(void **state)
{
    const struct {
        mode_t kind;
        dev_t device;
    } rows[] = {{S_IFCHR, makedev(1, 3)}, {S_IFBLK, makedev(7, 0)}};
    struct work_pack *pack;
    shell(state, "mkdir in");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct report report = {0};
        if (mknod(folder_path(state, "in/d"), rows[i].kind | 0600, rows[i].device) != 0) {
            print_message("no device may be made here: %s\n", strerror(errno));
            skip();
        }
        assert_int_equal(pack_open(state, NULL, 1 << 30, &pack, &report), ERR_INVALID);
        assert_non_null(strstr(report.text, "in/d is a device"));
        assert_int_equal(pack_open(state, "d", 1 << 30, &pack, &report), OK);
        work_pack_free(pack);
        assert_int_equal(unlink(folder_path(state, "in/d")), 0);
    }
}

static void test_pack_notices_a_file_that_changes(void **state)
{
    static const char *const changes[] = {"echo more >> in/a", "rm in/a", "echo Hello > in/a",
                                          "rm in/a; ln -s b in/a"};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct work_pack *pack;
        struct report report = {0};
        char hash[WORK_HASH_TEXT_BYTES];
        shell(state, "rm -rf in; mkdir in; echo hello > in/a; echo b > in/b");
        assert_int_equal(pack_open(state, NULL, 1 << 30, &pack, &report), OK);
        shell(state, changes[i]);
        assert_int_equal(work_pack_hash(pack, hash, &report), ERR_CONFLICT);
        assert_non_null(strstr(report.text, "in/a changed"));
        work_pack_free(pack);
    }
}

/* ---- archives that nobody of ours made ---- */

static void test_unpack_with_another_name_leaves_nothing(void **state)
{
    char hash[WORK_HASH_TEXT_BYTES];
    struct report report = {0};
    shell(state, "mkdir in; echo hello > in/a");
    pack_save(state, hash);
    hash[0] = hash[0] == '0' ? '1' : '0';
    assert_int_equal(unpack(state, hash, "out", &limits, &report), ERR_FORMAT);
    shell(state, "test ! -e out");
}

static void test_unpack_of_every_cut_archive_fails_and_leaves_nothing(void **state)
{
    char hash[WORK_HASH_TEXT_BYTES];
    shell(state, "mkdir in; echo hello > in/a; mkdir in/b");
    pack_save(state, hash);
    for (int size = 512 * 5 - 256; size >= 0; size -= 256) {
        struct report report = {0};
        assert_int_equal(truncate(folder_path(state, "tar"), size), 0);
        assert_int_equal(unpack(state, NULL, "out", &limits, &report), ERR_FORMAT);
        shell(state, "test ! -e out");
    }
}

static void test_unpack_refuses_to_leave_the_folder(void **state)
{
    static const char *const makers[] = {
        /* python: its tarfile writes whatever it is told */
        "i = tarfile.TarInfo('../evil'); i.size = 1; t.addfile(i, io.BytesIO(b'x'))",
        "i = tarfile.TarInfo('/tmp/evil'); i.size = 1; t.addfile(i, io.BytesIO(b'x'))",
        "i = tarfile.TarInfo('a/../../evil'); i.size = 1; t.addfile(i, io.BytesIO(b'x'))",
        "i = tarfile.TarInfo('l'); i.type = tarfile.SYMTYPE; i.linkname = '..'; t.addfile(i)",
        "i = tarfile.TarInfo('l'); i.type = tarfile.SYMTYPE; i.linkname = '/etc'; t.addfile(i)",
        "i = tarfile.TarInfo('d'); i.type = tarfile.DIRTYPE; t.addfile(i); "
        "i = tarfile.TarInfo('l'); i.type = tarfile.SYMTYPE; i.linkname = 'd'; t.addfile(i); "
        "i = tarfile.TarInfo('l/x'); i.size = 1; t.addfile(i, io.BytesIO(b'x'))",
        "i = tarfile.TarInfo('h'); i.type = tarfile.LNKTYPE; i.linkname = '/etc/passwd'; "
        "t.addfile(i)",
        "i = tarfile.TarInfo('f'); i.type = tarfile.FIFOTYPE; t.addfile(i)",
        "i = tarfile.TarInfo('n'); i.type = tarfile.CHRTYPE; t.addfile(i)",
        "i = tarfile.TarInfo('a'); i.size = 1; t.addfile(i, io.BytesIO(b'x')); "
        "t.addfile(i, io.BytesIO(b'y'))",
        "i = tarfile.TarInfo('none/a'); i.size = 1; t.addfile(i, io.BytesIO(b'x'))",
    };
    for (size_t k = 0; k < sizeof makers / sizeof makers[0]; k++) {
        char command[2000];
        struct report report = {0};
        snprintf(command, sizeof command,
                 "/usr/bin/python3 -c \"import tarfile, io; t = tarfile.open('tar', 'w', "
                 "format=tarfile.USTAR_FORMAT); %s; t.close()\" && truncate -s 10240 tar",
                 makers[k]);
        shell(state, command);
        error_code error = unpack(state, NULL, "out", &limits, &report);
        if (error != ERR_FORMAT) {
            fail_msg("archive %zu: %s %s", k, error_word(error), report.text);
        }
        shell(state, "test ! -e out && test ! -e evil");
    }
}

static void test_unpack_holds_its_limits(void **state)
{
    char hash[WORK_HASH_TEXT_BYTES];
    struct report report = {0};
    const struct work_limits few = {1 << 20, 2}, small = {9, 1000};
    shell(state, "mkdir in; echo hello > in/a; echo hello > in/b; mkdir in/c");
    pack_save(state, hash);
    assert_int_equal(unpack(state, hash, "out", &few, &report), ERR_LIMIT);
    assert_int_equal(unpack(state, hash, "out", &small, &report), ERR_LIMIT);
    shell(state, "test ! -e out");
}

static void test_tree_copy_links_large_files_and_copies_small_ones(void **state)
{
    struct report report = {0};
    char from[600];
    shell(state, "mkdir -p in/sub to; echo small > in/sub/small; chmod 555 in/sub/small; "
                 "head -c 5000 /dev/zero > in/sub/large; ln -s sub/small in/link");
    snprintf(from, sizeof from, "%s", folder_path(state, "in"));
    assert_int_equal(work_tree_seal(from, &report), OK);
    assert_int_equal(work_tree_copy(from, folder_path(state, "to"), 4096, &report), OK);
    shell(state,
          "test -L to/sub/large && cmp to/sub/large in/sub/large && test ! -L to/sub/small && "
          "test -w to/sub/small && test -x to/sub/small && "
          "test \"$(readlink to/link)\" = sub/small && echo other > to/sub/new");
}

static void test_tree_fingerprint_stays_and_changes_with_any_change(void **state)
{
    static const char *const changes[] = {"echo x > in/sub/deep/file", "chmod 600 in/sub/deep/file",
                                          "rm in/link && ln -s sub in/link", "mkdir in/sub/other"};
    char folder[600];
    shell(state, "mkdir -p in/sub/deep; echo a > in/sub/deep/file; ln -s sub in/link");
    snprintf(folder, sizeof folder, "%s", folder_path(state, "in"));
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint64_t before = work_tree_fingerprint(folder);
        assert_true(before != 0);
        shell(state, "cat in/sub/deep/file >/dev/null; ls -R in >/dev/null"); /* looked at only */
        assert_true(work_tree_fingerprint(folder) == before);
        shell(state, "sleep 0.02");
        shell(state, changes[i]);
        assert_true(work_tree_fingerprint(folder) != before);
    }
    assert_true(work_tree_fingerprint(folder_path(state, "none")) == 0);
}

static void test_hash_names_are_64_small_hexadecimal_digits(void **state)
{
    (void)state;
    char good[80];
    memset(good, 'a', 64);
    good[64] = '\0';
    assert_true(work_hash_is_good(good));
    good[63] = 'A';
    assert_false(work_hash_is_good(good));
    memcpy(good, "../../", 6);
    assert_false(work_hash_is_good(good));
    assert_false(work_hash_is_good(NULL));
    assert_false(work_hash_is_good(""));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_pack_and_unpack_give_the_same_tree_read_only),
        IN_FOLDER(test_pack_of_equal_folders_has_one_name_and_tar_reads_it),
        IN_FOLDER(test_pack_over_max_names_the_largest),
        IN_FOLDER(test_pack_refuses_what_cannot_be_sent),
        IN_FOLDER(test_pack_refuses_a_socket),
        IN_FOLDER(test_pack_refuses_a_device),
        IN_FOLDER(test_pack_notices_a_file_that_changes),
        IN_FOLDER(test_unpack_with_another_name_leaves_nothing),
        IN_FOLDER(test_unpack_by_sums_refuses_a_piece_that_is_another),
        IN_FOLDER(test_unpack_of_every_cut_archive_fails_and_leaves_nothing),
        IN_FOLDER(test_unpack_refuses_to_leave_the_folder),
        IN_FOLDER(test_unpack_holds_its_limits),
        IN_FOLDER(test_tree_copy_links_large_files_and_copies_small_ones),
        IN_FOLDER(test_tree_fingerprint_stays_and_changes_with_any_change),
        cmocka_unit_test(test_hash_names_are_64_small_hexadecimal_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
