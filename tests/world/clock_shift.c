/* Preloaded into the programs of a world: its wall clock is CLOCK_SHIFT_S seconds ahead of this
 * machine's. A time namespace cannot do that; it moves the monotonic clocks only. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t shift_s(void)
{
    const char *text = getenv("CLOCK_SHIFT_S");
    return text != NULL ? (time_t)atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, ret_time);
    if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        ret_time->tv_sec += shift_s();
    }
    return rc;
}

int gettimeofday(struct timeval *restrict ret_time, void *restrict zone)
{
    int rc = (int)syscall(SYS_gettimeofday, ret_time, zone);
    if (rc == 0) {
        ret_time->tv_sec += shift_s();
    }
    return rc;
}

time_t time(time_t *ret_time)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return (time_t)-1;
    }
    if (ret_time != NULL) {
        *ret_time = now.tv_sec;
    }
    return now.tv_sec;
}
