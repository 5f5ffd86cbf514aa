/*
 * verbs.c - every command of schedctl and every option of each, in one table.  Parsing, --help, completion and the
 * manual page come from here.
 */
#include "client/ctl/cli.h"

#include <stdint.h>

#include "client/ctl/ctl.h"

#define ANY SIZE_MAX
#define END                                                                                                            \
	{                                                                                                              \
		NULL, OPT_FLAG, NULL, NULL, NULL                                                                       \
	}

const struct opt_row cli_global_options[] = {
	{"access-file", OPT_VALUE, "FILE", "where the scheduler is and its secrets [$SCHED_ACCESS_FILE, ...]", "FILE"},
	{"json", OPT_FLAG, NULL, "print one JSON document", NULL},
	{"config", OPT_VALUE, "FILE", "a configuration file, besides the usual ones", "FILE"},
	{"set", OPT_MANY, "KEY=VALUE", "a configuration key, stronger than all files", NULL},
	{"color", OPT_VALUE, "WHEN", "auto, always or never [auto]", "auto|always|never"},
	{"version", OPT_FLAG, NULL, "print the version and end", NULL},
	{"help", OPT_FLAG, NULL, "print this and end", NULL},
	END,
};

static const struct opt_row submit_options[] = {
	{"wait", OPT_FLAG, NULL, "wait for the end; exit status 1 when the job failed", NULL},
	{"no-progress", OPT_FLAG, NULL, "do not show progress while waiting", NULL},
	{"name", OPT_VALUE, "NAME", "name of the job [name of the command]", NULL},
	{"array", OPT_VALUE, "LIST[%K]", "a task for each index, like 0-99, 1,5,9-20:2; %K: at most K run at a time",
	 NULL},
	{"each-line", OPT_VALUE, "FILE", "a task for each line of a file (-: standard input)", "FILE"},
	{"after", OPT_MANY, "JOB", "start when this job has succeeded", NULL},
	{"open", OPT_FLAG, NULL, "more tasks may follow: the job ends after `job close`", NULL},
	{"job", OPT_VALUE, "JOB", "more tasks for this job, which has not ended, instead of a job of their own", NULL},
	{"input", OPT_MANY, "KEY", "with --job: each task takes the result of this task of the job", NULL},
	{"max-fails", OPT_VALUE, "N", "cancel the rest when more than N tasks have failed [never]", NULL},
	{"retries", OPT_VALUE, "N", "try a task that failed again, up to N times [0]", NULL},
	{"priority", OPT_VALUE, "N", "-1000000 to 1000000, higher runs first [0]", NULL},
	{"cpus", OPT_VALUE, "N", "processors each task takes, like 2 or 0.5 [1]", NULL},
	{"memory", OPT_VALUE, "SIZE", "memory each task takes, like 2GiB [not counted]", NULL},
	{"resource", OPT_MANY, "NAME=N", "what else each task takes", NULL},
	{"alternative", OPT_MANY, "NAME=N,...",
	 "what each task takes instead when that is not free, like cpus=8; up to three, the first that fits is taken",
	 NULL},
	{"label", OPT_MANY, "KEY=VALUE", "only workers that have this label", NULL},
	{"prefer", OPT_MANY, "KEY=VALUE", "workers that have this label first", NULL},
	{"gang", OPT_FLAG, NULL, "all tasks start together, each at another worker, or none does", NULL},
	{"time-limit", OPT_VALUE, "D", "stop a task that runs longer, like 30s, 1h", NULL},
	{"stdout", OPT_VALUE, "PATH", "write standard output to files instead of keeping it", "FILE"},
	{"stderr", OPT_VALUE, "PATH", "the same for standard error", "FILE"},
	{"env", OPT_MANY, "NAME=VALUE", "add to the environment of the tasks", NULL},
	{"cwd", OPT_VALUE, "DIR", "directory to run in [the current one]", "DIR"},
	{"stdin", OPT_VALUE, "FILE", "read standard input from this file", "FILE"},
	{"namespace", OPT_VALUE, "NAME", "owner of the job [default]", NULL},
	END,
};

static const struct opt_row run_options[] = {
	{"local", OPT_OPTIONAL, "SLOTS", "use a private scheduler and worker, for this command only", NULL},
	{"progress", OPT_FLAG, NULL, "show progress [on, unless --json]", NULL},
	{"no-progress", OPT_FLAG, NULL, "do not show progress", NULL},
	{"print", OPT_FLAG, NULL, "print the result of the one task at the end that has no `output`", NULL},
	{"namespace", OPT_VALUE, "NAME", "owner of the job, instead of the one in the file", NULL},
	END,
};

static const struct opt_row job_list_options[] = {
	{"namespace", OPT_VALUE, "NAME", "only of this owner", NULL},
	{"limit", OPT_VALUE, "N", "at most so many, the newest [all]", NULL},
	END,
};

static const struct opt_row job_wait_options[] = {
	{"timeout", OPT_VALUE, "D", "give up after this time, in all; exit status 1", NULL},
	{"as-completed", OPT_FLAG, NULL, "print each task as it ends: KEY STATE, with --json a document per line",
	 NULL},
	{"no-progress", OPT_FLAG, NULL, "do not show progress", NULL},
	END,
};

static const struct opt_row job_cat_options[] = {
	{"task", OPT_VALUE, "KEY", "only this task: its key or number", NULL},
	{"stderr", OPT_FLAG, NULL, "standard error instead of the results", NULL},
	END,
};

static const struct opt_row job_forget_options[] = {
	{"all", OPT_FLAG, NULL, "all jobs that have ended", NULL},
	END,
};

static const struct opt_row task_list_options[] = {
	{"state", OPT_VALUE, "STATE,...", "only in these states: waiting, ready, running, done, failed and so on",
	 NULL},
	{"limit", OPT_VALUE, "N", "at most so many [100; all with --json]", NULL},
	END,
};

static const struct opt_row task_wait_options[] = {
	{"any", OPT_FLAG, NULL, "until the first of them has ended, instead of all", NULL},
	{"timeout", OPT_VALUE, "D", "give up after this time; exit status 1", NULL},
	END,
};

static const struct opt_row worker_drain_options[] = {
	{"undo", OPT_FLAG, NULL, "let it have tasks again", NULL},
	{"wait", OPT_FLAG, NULL, "until its tasks have ended and others hold what only it held: then it may be stopped",
	 NULL},
	END,
};

static const struct opt_row namespace_set_options[] = {
	{"weight", OPT_VALUE, "W", "its share of the room, 0.001 to 1000; the usual is 1", NULL},
	{"max-tasks", OPT_VALUE, "N", "tasks it may have at workers, or none for no limit", "none"},
	{"max-cpus", OPT_VALUE, "N", "processors these may take, or none for no limit", "none"},
	END,
};

static const struct opt_row shutdown_options[] = {
	{"workers", OPT_FLAG, NULL, "end all workers as well", NULL},
	END,
};

static const struct opt_row info_options[] = {
	{"watch", OPT_FLAG, NULL, "go on, with every update; with --json a document per line", NULL},
	{"interval", OPT_VALUE, "D", "with --watch: how often, like 500ms, 2s [client.scheduler-info-interval]", NULL},
	{"sections", OPT_VALUE, "S,...", "what to tell: totals, members, metrics [all]", NULL},
	{"namespace", OPT_VALUE, "NAME", "only workers that jobs of this namespace may run on", NULL},
	{"pool", OPT_VALUE, "NAME", "only workers of this pool", NULL},
	{"label", OPT_MANY, "KEY=VALUE", "only workers that have this label", NULL},
	END,
};

static const struct opt_row stats_options[] = {
	{"watch", OPT_FLAG, NULL, "go on; with --json a document per line", NULL},
	{"interval", OPT_VALUE, "D", "with --watch: how often, like 500ms, 2s [2s]", NULL},
	END,
};

static const struct opt_row top_options[] = {
	{"interval", OPT_VALUE, "D", "how often, like 500ms, 2s [client.scheduler-info-interval]", NULL},
	{"namespace", OPT_VALUE, "NAME", "only workers that jobs of this namespace may run on", NULL},
	{"pool", OPT_VALUE, "NAME", "only workers of this pool", NULL},
	{"label", OPT_MANY, "KEY=VALUE", "only workers that have this label", NULL},
	END,
};

static const char info_more[] = "Once, or with --watch until Ctrl-C, redrawn in place on a terminal.  The scheduler "
				"may grant a longer interval\n"
				"than asked for; nothing is lost by that but promptness.  A worker started with "
				"--namespace is\n"
				"reserved for the jobs of that namespace; the others serve all, and are shown to all.";

static const char top_more[] = "Keys: c, m, r, n sort by processor time, memory, running tasks, name; q quits.";

static const struct opt_row no_options[] = {END};

static const char submit_more[] =
	"Standard output of each task is kept by its worker as the task's result; see `schedctl job cat`.  PATH and, "
	"with\n"
	"--array or --each-line, the command, --env and --stdin may contain {index} {item} {key} {job} {attempt}.  "
	"Relative\n"
	"paths are relative to the directory of the tasks.  A task sees SCHED_JOB_ID, SCHED_KEY, SCHED_INDEX, "
	"SCHED_ITEM,\n"
	"SCHED_ATTEMPT, SCHED_CPUS and SCHED_RESOURCE_<NAME>.  Ctrl-C while waiting leaves the job running.\n"
	"A task may submit more tasks to its own job: `schedctl submit --job $SCHED_JOB_ID -- ...`.  Their group is "
	"named "
	"by\n"
	"--name, else by the command and the process id; it has to be new in the job.\n"
	"What no worker that is connected can meet is no mistake, but warned of: the job waits until one comes.\n"
	"Tasks of a --gang need each other: when one has to run again, because it failed and may be retried, or its "
	"worker "
	"was\n"
	"lost, all run again, those that were done as well, and only when all have succeeded their results go to other "
	"tasks.\n"
	"When one fails for good, all have failed.";

static const char namespace_more[] =
	"Until the scheduler ends; what is to last belongs into scheduler.namespaces, see sched.yaml(5).  A quota does "
	"not\n"
	"stop what runs already.";

static const char run_more[] = "Paths in the file are relative to the current directory; stdin-file, stdout and stderr "
			       "to the cwd of the task.\n"
			       "Nothing is submitted when anything in the file is wrong.  Ctrl-C cancels the job; a "
			       "second one ends schedctl at\n"
			       "once.";

static const char cat_more[] =
	"A result that only other tasks needed is dropped when they have ended, and left out, unless its task has "
	"`keep`\n"
	"in the graph file.  Exit status 1 when a result is missing for another reason, or is that of --task.";

static const char job_list_more[] = "A job that goes on but of which nothing runs, as no worker that is connected can "
				    "run any of its tasks that are\n"
				    "ready, is shown as waiting; `job show` tells for what.  With --json its state is "
				    "running, and waiting is true.";

static const char job_show_more[] =
	"`waits` is told when tasks that are ready ask for what no worker that is connected has, be it a label, a\n"
	"resource, or more of one than any has, or for more than the quota of their namespace ever allows: they wait "
	"until\n"
	"that has changed.";

static const char explain_more[] =
	"For a task that is ready: what keeps each worker from taking it now, and how many tasks of its namespace go "
	"before\n"
	"it, being of higher priority, or of an older job, or earlier in its own; those that ask for the same are in "
	"its "
	"way\n"
	"at every worker, the others only where they fit.  Between namespaces shares decide; see `namespace list`.";

static const char drain_more[] = "With --wait standard error is told what is waited for, as it becomes less, and with "
				 "--json standard output, a\n"
				 "document per line.  Results go to workers that take tasks of their namespace.  Where "
				 "there is none, that is said,\n"
				 "with what can be done about it, and the wait goes on.";

const struct verb cli_verbs[] = {
	{"submit", "-- COMMAND [ARG]...", "Submit a command line as a job", submit_more, submit_options, 1, ANY, 1,
	 verb_submit, NULL},
	{"run", "GRAPH.yaml", "Submit a graph, wait, write its outputs", run_more, run_options, 1, 1, 0, verb_run,
	 "FILE"},
	{"job list", "", "List jobs, newest first", job_list_more, job_list_options, 0, 0, 0, verb_job_list, NULL},
	{"job show", "JOB", "Show a job", job_show_more, no_options, 1, 1, 0, verb_job_show, NULL},
	{"job wait", "JOB...", "Wait for the end of jobs; exit status 1 when one failed", NULL, job_wait_options, 1,
	 ANY, 0, verb_job_wait, NULL},
	{"job close", "JOB...", "No more tasks for open jobs: they end with their last task", NULL, no_options, 1, ANY,
	 0, verb_job_close, NULL},
	{"job cancel", "JOB...", "Stop all that has not ended of jobs", NULL, no_options, 1, ANY, 0, verb_job_cancel,
	 NULL},
	{"job cat", "JOB", "Print the results of a job's tasks, in their order", cat_more, job_cat_options, 1, 1, 0,
	 verb_job_cat, NULL},
	{"job forget", "JOB...|--all", "Drop ended jobs and their results", NULL, job_forget_options, 0, ANY, 0,
	 verb_job_forget, NULL},
	{"task list", "JOB", "List the tasks of a job", NULL, task_list_options, 1, 1, 0, verb_task_list, NULL},
	{"task show", "JOB KEY", "Show everything about a task", NULL, no_options, 2, 2, 0, verb_task_show, NULL},
	{"task explain", "JOB KEY", "Say why a task is where it is", explain_more, no_options, 2, 2, 0,
	 verb_task_explain, NULL},
	{"task wait", "JOB KEY...", "Wait until tasks have ended, print each as it does; exit status 1 when one failed",
	 NULL, task_wait_options, 2, ANY, 0, verb_task_wait, NULL},
	{"task retry", "JOB [KEY]", "Run failed or cancelled tasks again, and what failed because of them", NULL,
	 no_options, 1, 2, 0, verb_task_retry, NULL},
	{"worker list", "", "List workers", NULL, no_options, 0, 0, 0, verb_worker_list, NULL},
	{"worker drain", "NAME", "Give a worker nothing new", drain_more, worker_drain_options, 1, 1, 0,
	 verb_worker_drain, NULL},
	{"worker stop", "NAME", "End a worker", NULL, no_options, 1, 1, 0, verb_worker_stop, NULL},
	{"namespace list", "", "List namespaces: shares, quotas, what they use", NULL, no_options, 0, 0, 0,
	 verb_namespace_list, NULL},
	{"namespace set", "NAME", "Change the share or the quota of a namespace", namespace_more, namespace_set_options,
	 1, 1, 0, verb_namespace_set, NULL},
	{"info", "", "Show what the cluster looks like", info_more, info_options, 0, 0, 0, verb_info, NULL},
	{"stats", "", "Show what the scheduler spends, and on what", NULL, stats_options, 0, 0, 0, verb_stats, NULL},
	{"top", "", "Show the workers on a full screen", top_more, top_options, 0, 0, 0, verb_top, NULL},
	{"shutdown", "", "End the scheduler", NULL, shutdown_options, 0, 0, 0, verb_shutdown, NULL},
	{"completion", "bash|zsh", "Print a completion script for a shell", NULL, no_options, 1, 1, 0, verb_completion,
	 "bash|zsh"},
	{NULL, NULL, NULL, NULL, NULL, 0, 0, 0, NULL, NULL},
};
