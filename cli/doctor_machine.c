/* What is looked at on this machine. */
#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "sys/program.h"

enum {
    DISK_LOW_MIB = 1024,
    DISK_FULL_MIB = 100,
    SHM_LOW_MIB = 64,
    FILES_LOW = 1024,
    PROCESSES_LOW = 1024,
    REDIS_MAJOR_MIN = 6,
    REDIS_MINOR_MIN = 2,
};

static const char *user_name(uid_t uid)
{
    const struct passwd *user = getpwuid(uid);
    return user != NULL ? user->pw_name : "somebody else";
}

void doctor_state_folder(struct doctor *doctor)
{
    const char *path = doctor->cli->state_dir;
    struct stat about;
    char advice[CLI_PATH_MAX + 64];
    if (stat(path, &about) != 0 && errno == ENOENT) {
        doctor_say(doctor, DOCTOR_OK, "", "%s is not there yet; 'muster up' makes it", path);
        return;
    }
    if (stat(path, &about) != 0) {
        doctor_say(doctor, DOCTOR_FAIL, "give another with --state or MUSTER_STATE",
                   "%s cannot be looked at: %s", path, strerror(errno));
    } else if (!S_ISDIR(about.st_mode)) {
        doctor_say(doctor, DOCTOR_FAIL, "give a folder with --state or MUSTER_STATE",
                   "%s is no folder", path);
    } else if (access(path, R_OK | W_OK | X_OK) != 0) {
        doctor_say(doctor, DOCTOR_FAIL, "give another with --state or MUSTER_STATE",
                   "%s belongs to %s, and you may not write there", path, user_name(about.st_uid));
    } else if ((about.st_mode & 077) != 0) {
        snprintf(advice, sizeof advice, "chmod 700 %s", path);
        doctor_say(doctor, DOCTOR_FAIL, advice, "%s is open to others (mode %04o)", path,
                   about.st_mode & 07777);
    } else {
        doctor_say(doctor, DOCTOR_OK, "", "%s, mode %04o", path, about.st_mode & 07777);
    }
}

void doctor_keys(struct doctor *doctor)
{
    char folder[CLI_PATH_MAX + 16], advice[CLI_PATH_MAX + 512];
    snprintf(folder, sizeof folder, "%s/keys", doctor->cli->state_dir);
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        doctor_say(doctor, DOCTOR_OK, "", "none yet");
        return;
    }
    int n = 0, n_open = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat about;
        const char *dot = strrchr(entry->d_name, '.');
        /* Certificates and public keys are for everybody. */
        bool is_public = dot != NULL && (strcmp(dot, ".crt") == 0 || strcmp(dot, ".public") == 0);
        if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &about, 0) != 0) {
            continue;
        }
        n++;
        if (!is_public && (about.st_mode & 077) != 0) {
            n_open++;
            snprintf(advice, sizeof advice, "chmod 600 %s/%s; whoever read it has the key", folder,
                     entry->d_name);
            doctor_say(doctor, DOCTOR_FAIL, advice, "%s may be read by others (mode %04o)",
                       entry->d_name, about.st_mode & 07777);
        }
    }
    closedir(dir);
    if (n_open == 0) {
        doctor_say(doctor, DOCTOR_OK, "", "%d files, closed to others", n);
    }
}

/* Of the folder, or of the nearest one above that is there. */
static bool disk_of(const char *path, struct statvfs *ret_disk)
{
    char at[CLI_PATH_MAX];
    snprintf(at, sizeof at, "%s", path);
    while (statvfs(at, ret_disk) != 0) {
        char *slash = strrchr(at, '/');
        if (slash == NULL || slash == at) {
            return statvfs("/", ret_disk) == 0;
        }
        *slash = '\0';
    }
    return true;
}

void doctor_disk(struct doctor *doctor)
{
    struct statvfs disk;
    if (!disk_of(doctor->cli->state_dir, &disk)) {
        doctor_say(doctor, DOCTOR_WARN, "", "it cannot be looked at: %s", strerror(errno));
        return;
    }
    double mib = (double)disk.f_bavail * (double)disk.f_frsize / 1048576.0;
    doctor_state state = mib < DISK_FULL_MIB  ? DOCTOR_FAIL
                         : mib < DISK_LOW_MIB ? DOCTOR_WARN
                                              : DOCTOR_OK;
    doctor_say(doctor, state,
               state == DOCTOR_OK
                   ? ""
                   : "make room, or give a state folder elsewhere; a full disk stops "
                     "the store",
               "%.1f GiB free for the state folder", mib / 1024);
    if (disk.f_files > 0 && disk.f_favail < 10000) {
        doctor_say(doctor, DOCTOR_WARN, "remove files; each attempt makes some",
                   "only %llu more files can be made", (unsigned long long)disk.f_favail);
    }
}

void doctor_shm(struct doctor *doctor)
{
    struct statvfs disk;
    if (statvfs("/dev/shm", &disk) != 0 || access("/dev/shm", W_OK) != 0) {
        doctor_say(doctor, DOCTOR_WARN,
                   "mount a tmpfs there; data loaders with several processes need it",
                   "it is not there, or cannot be written");
        return;
    }
    double mib = (double)disk.f_bavail * (double)disk.f_frsize / 1048576.0;
    bool is_low = mib < SHM_LOW_MIB;
    doctor_say(doctor, is_low ? DOCTOR_WARN : DOCTOR_OK,
               is_low ? "make it larger (containers: --shm-size=1g); data loaders with several "
                        "processes fail in it"
                      : "",
               "%.0f MiB free", mib);
}

static void limit_check(struct doctor *doctor, int resource, const char *what, rlim_t low,
                        const char *advice)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0) {
        return;
    }
    bool is_low = limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < low;
    if (limit.rlim_cur == RLIM_INFINITY) {
        doctor_say(doctor, DOCTOR_OK, "", "%s: no limit", what);
    } else {
        doctor_say(doctor, is_low ? DOCTOR_WARN : DOCTOR_OK, is_low ? advice : "", "%s: %llu", what,
                   (unsigned long long)limit.rlim_cur);
    }
}

void doctor_limits(struct doctor *doctor)
{
    limit_check(doctor, RLIMIT_NOFILE, "open files", FILES_LOW,
                "ulimit -n 65536; each worker and reader takes some");
    limit_check(doctor, RLIMIT_NPROC, "processes", PROCESSES_LOW,
                "ulimit -u unlimited; trainers start many");
}

void doctor_redis(struct doctor *doctor)
{
    char line[256], beside[PATH_MAX];
    bool is_beside = program_beside("redis-server", beside);
    const char *const argv[] = {is_beside ? beside : "redis-server", "--version", NULL};
    const char *const tools[] = {"redis-check-rdb", "--version", NULL};
    bool is_there = doctor_ask(argv, line, sizeof line) || doctor_ask(tools, line, sizeof line);
    const char *version = strstr(line, "v=");
    if (!is_there) {
        doctor_say(doctor, DOCTOR_FAIL,
                   "apt install redis-server, or use a Redis elsewhere: 'muster head --store'",
                   "there is no redis-server here");
        return;
    }
    version = version != NULL ? version + 2 : line + strcspn(line, "0123456789");
    char *end = NULL;
    long major = strtol(version, &end, 10), minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
    bool is_old = major < REDIS_MAJOR_MIN || (major == REDIS_MAJOR_MIN && minor < REDIS_MINOR_MIN);
    doctor_say(doctor, is_old ? DOCTOR_FAIL : DOCTOR_OK, is_old ? "install a newer one" : "",
               "%s %.*s", argv[0], (int)strcspn(version, " "), version);
}

void doctor_gpu(struct doctor *doctor)
{
    char line[256];
    const char *const argv[] = {"nvidia-smi", "--query-gpu=driver_version,name",
                                "--format=csv,noheader", NULL};
    bool has_device = access("/dev/nvidiactl", F_OK) == 0 || access("/dev/nvidia0", F_OK) == 0;
    bool has_driver = access("/proc/driver/nvidia/version", F_OK) == 0;
    if (!has_device && !has_driver) {
        doctor_say(doctor, DOCTOR_OK, "", "no NVIDIA GPU here");
    } else if (!doctor_ask(argv, line, sizeof line)) {
        doctor_say(doctor, DOCTOR_FAIL,
                   "run nvidia-smi and see what it says; after an update of the driver the machine "
                   "wants a restart",
                   "there is a GPU, but nvidia-smi does not work%s%s", line[0] != '\0' ? ": " : "",
                   line);
    } else {
        doctor_say(doctor, DOCTOR_OK, "", "driver %s", line);
    }
}

void doctor_python(struct doctor *doctor)
{
    char line[256];
    const char *const argv[] = {"python3", "-c",
                                "import sys; print('.'.join(map(str, sys.version_info[:3])), "
                                "sys.executable)",
                                NULL};
    if (!doctor_ask(argv, line, sizeof line)) {
        doctor_say(doctor, DOCTOR_WARN, "apt install python3, if trainers are written in Python",
                   "there is no python3 on PATH");
        return;
    }
    int major = 0, minor = 0;
    bool is_old = sscanf(line, "%d.%d", &major, &minor) == 2 && (major < 3 || minor < 7);
    doctor_say(doctor, is_old ? DOCTOR_WARN : DOCTOR_OK,
               is_old ? "muster's module wants Python 3.7 or newer" : "", "python %s", line);
}
