/* Prints docs/STATES.md from the tables that the program itself obeys.  usage: muster-reference >
 * docs/STATES.md */
#include <stdio.h>

#include "head/core/task_edges.h"
#include "worker/core/attempt_edges.h"

int main(void)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    ignore_error(
        buf_append_text(&text,
                        "# State machines\n\nPrinted from the tables in head/core/task_edges.c and "
                        "worker/core/attempt_edges.c by `make docs`.\n\n## Head\n\n"),
        "sticky");
    ignore_error(edges_print(&text), "sticky");
    ignore_error(buf_append_text(&text, "\n## Agent\n\n```\n"), "sticky");
    ignore_error(attempt_edges_print(&text), "sticky");
    ignore_error(buf_append_text(&text, "```\n"), "sticky");
    int code = text.failed == OK && fwrite(text.data, 1, text.len, stdout) == text.len ? 0 : 1;
    buf_fini(&text);
    return code;
}
