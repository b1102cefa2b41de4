/* cli/option_lists.h -- the option lists that verbs.c names. Each ends with an empty name. */
#ifndef MUSTER_CLI_OPTION_LISTS_H
#define MUSTER_CLI_OPTION_LISTS_H

#include "cli/cli.h"

extern const struct cli_option cli_options_of_all[], no_options[], up_options[], down_options[],
    head_options[], worker_options[], run_options[], submit_options[], check_options[],
    sweep_run_options[], wait_options[], list_options[], show_options[], sweep_show_options[],
    act_options[], cancel_options[], resume_options[], clone_options[], export_options[],
    logs_options[], metrics_options[], rerun_options[], trial_env_options[], report_options[],
    save_options[], commit_options[], drain_options[], cordon_options[], node_label_options[],
    top_options[], doctor_options[], help_options[], login_options[], key_new_options[],
    events_options[], task_wait_options[], retry_options[];

#endif
