#include "sys/clock.h"

#include <pthread.h>
#include <time.h>

static pthread_once_t clock_once = PTHREAD_ONCE_INIT;
static int64_t clock_wall_base_us; /* the wall clock less the monotonic one, when first asked */

static int64_t clock_read_us(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time); /* cannot fail for these clocks */
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void clock_begin(void)
{
    clock_wall_base_us = clock_read_us(CLOCK_REALTIME) - clock_read_us(CLOCK_MONOTONIC);
}

time_ms clock_now(void)
{
    pthread_once(&clock_once, clock_begin);
    return (clock_wall_base_us + clock_read_us(CLOCK_MONOTONIC)) / 1000;
}

int64_t clock_monotonic_us(void)
{
    return clock_read_us(CLOCK_MONOTONIC);
}
