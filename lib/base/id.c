#include "base/id.h"

#include <stdio.h>
#include <string.h>

char *task_id_print(task_id id, char *ret_text)
{
    if (snprintf(ret_text, TASK_ID_TEXT_MAX, "%u.%u", id.job, id.index) < 0) {
        ret_text[0] = '\0';
    }
    return ret_text;
}

static const char *id_number_parse(const char *text, uint32_t *ret_number)
{
    uint64_t number = 0;
    const char *c = text;
    if (*c < '1' || *c > '9') {
        return NULL;
    }
    for (; *c >= '0' && *c <= '9'; c++) {
        number = number * 10 + (uint64_t)(*c - '0');
        if (number > UINT32_MAX) {
            return NULL;
        }
    }
    *ret_number = (uint32_t)number;
    return c;
}

error_code task_id_parse(const char *text, task_id *ret_id)
{
    task_id id;
    const char *rest = id_number_parse(text, &id.job);
    if (rest == NULL || *rest != '.') {
        return ERR_FORMAT;
    }
    rest = id_number_parse(rest + 1, &id.index);
    if (rest == NULL || *rest != '\0') {
        return ERR_FORMAT;
    }
    *ret_id = id;
    return OK;
}

enum { TIME_TEXT_MAX = 32, MS_PER_DAY = 86400000 };

/* Days since 1970 to year, month, day (Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", civil_from_days). gmtime_r would read the time zone's file at its first call. */
static void civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    enum { DAYS_PER_ERA = 146097, DAYS_TO_1970 = 719468 };
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int day_of_era = (int)(days - era * DAYS_PER_ERA);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (5 * day_of_year + 2) / 153; /* 0: March */
    *ret_day = day_of_year - (153 * month + 2) / 5 + 1;
    *ret_month = month < 10 ? month + 3 : month - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

char *time_print(time_ms time, char *ret_text)
{
    ret_text[0] = '\0';
    if (time == 0) {
        return ret_text;
    }
    int ms = (int)(time % MS_PER_DAY);
    int64_t days = time / MS_PER_DAY - (ms < 0);
    ms += ms < 0 ? MS_PER_DAY : 0;
    int64_t year;
    int month, day;
    civil_from_days(days, &year, &month, &day);
    if (snprintf(ret_text, TIME_TEXT_MAX, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", (long long)year,
                 month, day, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000) < 0) {
        ret_text[0] = '\0';
    }
    return ret_text;
}
