#include "host/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/base/nearest.h"
#include "host/cli/help.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, ERROR_BYTES = 2048, OPTIONS_MAX = 128 };

typedef struct pu__cli_value {
    const pu__option *option;
    const char *text; /* null for a flag */
} cli_value;

/* ---- options ---- */

static const pu__option *find_by_name(const pu__verb *verb, const char *name, size_t length) {
    for (int i = 0; i < pu__option_total(verb); ++i) {
        const pu__option *option = pu__option_at(verb, i);
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0) return option;
    }
    return NULL;
}

static const pu__option *find_by_letter(const pu__verb *verb, char letter) {
    for (int i = 0; i < pu__option_total(verb); ++i) {
        if (pu__option_at(verb, i)->letter == letter) return pu__option_at(verb, i);
    }
    return NULL;
}

static const cli_value *last_value(const pu__cli *cli, const char *name) {
    for (int i = cli->value_count - 1; i >= 0; --i) {
        if (strcmp(cli->values[i].option->name, name) == 0) return &cli->values[i];
    }
    return NULL;
}

const char *pu__cli_value(const pu__cli *cli, const char *name) {
    const cli_value *value = last_value(cli, name);
    return value ? value->text : NULL;
}

const char *pu__cli_value_at(const pu__cli *cli, const char *name, int index) {
    for (int i = 0; i < cli->value_count; ++i) {
        if (strcmp(cli->values[i].option->name, name) == 0 && index-- == 0) return cli->values[i].text;
    }
    return NULL;
}

bool pu__cli_flag(const pu__cli *cli, const char *name) { return last_value(cli, name) != NULL; }

pu_status pu__cli_int(const pu__cli *cli, const char *name, int64_t fallback, int64_t low, int64_t high,
                      int64_t *out) {
    const char *text = pu__cli_value(cli, name);
    *out = fallback;
    if (!text) return PU_OK;
    char *end = NULL;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno == ERANGE || value < low || value > high) {
        return pu_fail(PU_ERR_CONFIG, "--%s: expects a whole number from %lld to %lld, not '%.60s'", name,
                       (long long)low, (long long)high, text);
    }
    *out = value;
    return PU_OK;
}

pu_status pu__cli_real(const pu__cli *cli, const char *name, double fallback, double low, double high,
                       double *out) {
    const char *text = pu__cli_value(cli, name);
    *out = fallback;
    if (!text) return PU_OK;
    char *end = NULL;
    const double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value < low || value > high) {
        return pu_fail(PU_ERR_CONFIG, "--%s: expects a number from %g to %g, not '%.60s'", name, low, high, text);
    }
    *out = value;
    return PU_OK;
}

static pu_status fail_unknown_option(const pu__verb *verb, const char *argument) {
    const char *names[OPTIONS_MAX];
    int count = 0;
    for (; count < pu__option_total(verb) && count < OPTIONS_MAX; ++count)
        names[count] = pu__option_at(verb, count)->name;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    const char *nearest = argument[1] == '-' ? pu__nearest(name, count, names) : NULL;
    if (nearest) return pu_fail(PU_ERR_CONFIG, "unknown option %.80s; did you mean --%s?", argument, nearest);
    return pu_fail(PU_ERR_CONFIG, "unknown option %.80s; see `plusultra %s --help`", argument, verb->name);
}

/* One option at argv[*index], which moves to the option's last word. Forms: --name, --name=value, --name value,
 * -n, -n value, -nvalue. */
static pu_status take_option(pu__cli *cli, int argc, char **argv, int *index) {
    const char *argument = argv[*index];
    const bool is_long = argument[1] == '-';
    const size_t length = is_long ? strcspn(argument + 2, "=") : 1;
    const pu__option *option =
        is_long ? find_by_name(cli->verb, argument + 2, length) : find_by_letter(cli->verb, argument[1]);
    if (!option) return fail_unknown_option(cli->verb, argument);
    const char *rest = argument + (is_long ? 2 + length : 2);
    const char *text = NULL;
    if (*rest) text = is_long ? rest + 1 : rest;
    if (text && !option->value_name) return pu_fail(PU_ERR_CONFIG, "--%s takes no value", option->name);
    if (!text && option->value_name) {
        if (*index + 1 >= argc)
            return pu_fail(PU_ERR_CONFIG, "--%s needs a value: --%s %s", option->name, option->name,
                           option->value_name);
        text = argv[++*index];
    }
    cli->values[cli->value_count++] = (cli_value){option, text};
    return PU_OK;
}

/* The usage text says how many: words without brackets are required, "..." lifts the limit. */
static pu_status check_operands(const pu__cli *cli) {
    const char *usage = cli->verb->operands ? cli->verb->operands : "";
    int least = 0, most = 0;
    for (const char *word = usage; *word;) {
        const size_t length = strcspn(word, " ");
        least += *word != '[';
        most += 1;
        word += length + strspn(word + length, " ");
    }
    if (cli->operand_count < least)
        return pu_fail(PU_ERR_CONFIG, "expects %s; see `plusultra %s --help`", usage, cli->verb->name);
    if (strstr(usage, "...") || cli->operand_count <= most) return PU_OK;
    return pu_fail(PU_ERR_CONFIG, "unexpected argument '%.80s'; see `plusultra %s --help`", cli->operands[most],
                   cli->verb->name);
}

static pu_status parse_arguments(pu__cli *cli, int argc, char **argv) {
    bool only_operands = false;
    for (int i = 2; i < argc; ++i) {
        if (only_operands || argv[i][0] != '-' || argv[i][1] == '\0')
            cli->operand_store[cli->operand_count++] = argv[i];
        else if (strcmp(argv[i], "--") == 0) only_operands = true;
        else PU_TRY(take_option(cli, argc, argv, &i));
    }
    if (pu__cli_flag(cli, "help")) return PU_OK;
    return check_operands(cli);
}

/* ---- running ---- */

static pu_status setup_log(const pu__cli *cli) {
    const char *format = pu__cli_value(cli, "log-format");
    const bool json = format && strcmp(format, "json") == 0;
    if (format && !json && strcmp(format, "human") != 0) {
        return pu_fail(PU_ERR_CONFIG, "--log-format: expects human or json, not '%.60s'", format);
    }
    const bool quiet = pu__cli_flag(cli, "quiet");
    pu_log_setup(quiet                          ? PU_LOG_WARNING
                 : pu__cli_flag(cli, "verbose") ? PU_LOG_DEBUG
                                                : PU_LOG_INFO,
                 json ? PU_LOG_JSON : PU_LOG_HUMAN);
    pu_progress_silence(quiet);
    return PU_OK;
}

static pu_status load_config(pu__cli *cli) {
    if (!cli->verb->takes_config) return PU_OK;
    const char **overrides = pu_calloc((size_t)cli->value_count, sizeof *overrides);
    if (!overrides) return PU_ERR_MEMORY;
    int count = 0;
    for (int i = 0; i < cli->value_count; ++i) {
        if (strcmp(cli->values[i].option->name, "set") == 0) overrides[count++] = cli->values[i].text;
    }
    const pu_status status = pu_config_load(pu__cli_value(cli, "config"), count, overrides, &cli->config);
    pu_free(overrides);
    return status == PU_ERR_NOT_FOUND ? pu_fail_within(PU_ERR_CONFIG, "--config") : status;
}

static pu_status execute(pu__cli *cli) {
    PU_TRY(setup_log(cli));
    PU_TRY(load_config(cli));
    return cli->verb->run(cli);
}

static bool is_output(const char *path) { return strcmp(path, "-") == 0; }

/* With `--json -` standard output is the result's alone: what the verb prints goes to standard error. */
static pu_status part_output(pu__cli *cli) {
    cli->result_file = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (cli->result_file >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) return PU_OK;
    return pu_fail(PU_ERR_IO, "--json -: cannot part standard output from standard error: %s", strerror(errno));
}

/* Devices and pipes are written to; only a regular file is replaced. */
static pu_status write_special(int file, const char *path, const char *text, size_t bytes) {
    if (file < 0) return pu_fail(PU_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    while (bytes > 0) {
        const ssize_t put = write(file, text, bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) break;
        text += put;
        bytes -= (size_t)put;
    }
    const int error = errno;
    if (close(file) != 0 || bytes > 0)
        return pu_fail(PU_ERR_IO, "cannot write %s: %s", path, strerror(bytes > 0 ? error : errno));
    return PU_OK;
}

/* JSON holds UTF-8 only; file names and data in messages can hold anything. */
static json_t *text_value(const char *text) {
    json_t *value = json_string(text);
    if (value) return value;
    char plain[ERROR_BYTES];
    snprintf(plain, sizeof plain, "%s", text);
    for (char *c = plain; *c; ++c) {
        if ((unsigned char)*c >= 0x80) *c = '?';
    }
    return json_string(plain);
}

/* A result must not take the place of a store or a configuration. */
static pu_status check_replaceable(const char *path, const struct stat *info) {
    if (S_ISDIR(info->st_mode)) return pu_fail(PU_ERR_CONFIG, "--json: %s is a folder; name a file", path);
    if (!S_ISREG(info->st_mode) || info->st_size == 0) return PU_OK;
    FILE *file = fopen(path, "re");
    if (!file) return pu_fail(PU_ERR_IO, "--json: cannot open %s: %s", path, strerror(errno));
    const int first = fgetc(file);
    fclose(file);
    if (first == '{') return PU_OK;
    return pu_fail(PU_ERR_CONFIG, "--json: %s exists and is no result: name another file", path);
}

/* Before the work: hours later is too late to learn that the result has no place. */
static pu_status check_result_path(const char *path) {
    struct stat info;
    char folder[4096];
    if (stat(path, &info) == 0) {
        PU_TRY(check_replaceable(path, &info));
        if (!S_ISREG(info.st_mode)) return PU_OK;
    }
    if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder)
        return pu_fail(PU_ERR_CONFIG, "--json: the path is too long");
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = '\0';
    if (strncmp(path, "/dev/", 5) == 0 || access(slash ? folder : ".", W_OK) == 0) return PU_OK;
    return pu_fail(PU_ERR_IO, "--json: cannot create %s: %s", path, strerror(errno));
}

static pu_status write_result(pu__cli *cli, pu_status outcome, const char *message) {
    const char *path = pu__cli_value(cli, "json");
    if (!path || cli->result_refused) return PU_OK;
    int bad = json_object_set_new(cli->result, "verb", json_string(cli->verb->name));
    bad |= json_object_set_new(cli->result, "status", json_string(pu_status_name(outcome)));
    if (outcome != PU_OK) bad |= json_object_set_new(cli->result, "error", text_value(message));
    char *text = bad ? NULL : json_dumps(cli->result, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    if (!text) return pu_fail(PU_ERR_MEMORY, "cannot write %s: the result does not fit into memory", path);
    const size_t bytes = strlen(text);
    text[bytes] = '\n'; /* in place of the zero byte: the file ends like any text file */
    struct stat info;
    if (is_output(path)) {
        const pu_status status = write_special(cli->result_file, "standard output", text, bytes + 1);
        free(text);
        return status;
    }
    const bool special = strncmp(path, "/dev/", 5) == 0 || (stat(path, &info) == 0 && !S_ISREG(info.st_mode));
    const pu_status status = special ? write_special(open(path, O_WRONLY | O_CLOEXEC), path, text, bytes + 1)
                                     : pu__file_replace(path, text, bytes + 1);
    free(text);
    return status;
}

static void report_error(const pu__cli *cli, const char *message) {
    const char *format = pu__cli_value(cli, "log-format");
    if (format && strcmp(format, "json") == 0) {
        pu_log(PU_LOG_ERROR, cli->verb->name, "%s", message);
        return;
    }
    char line[ERROR_BYTES];
    snprintf(line, sizeof line, "%s", message);
    for (char *c = line; *c; ++c) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = ' ';
    }
    fprintf(stderr, "plusultra %s: %s\n", cli->verb->name, line);
}

static int exit_code(pu_status status) {
    return status == PU_OK ? EXIT_DONE : status == PU_ERR_CONFIG ? EXIT_USAGE : EXIT_FAILED;
}

static int finish(pu__cli *cli, pu_status status) {
    char message[ERROR_BYTES];
    snprintf(message, sizeof message, "%s", pu_error_message());
    if (fflush(stdout) != 0 && status == PU_OK) {
        status = PU_ERR_IO;
        snprintf(message, sizeof message, "cannot write to standard output: %s", strerror(errno));
    }
    if (status != PU_OK) report_error(cli, message);
    const pu_status written = write_result(cli, status, message);
    if (written != PU_OK) report_error(cli, pu_error_message());
    return exit_code(status != PU_OK ? status : written);
}

static int run_verb(const pu__verb *verb, int argc, char **argv) {
    pu__cli cli = {.verb = verb, .result = json_object()};
    cli.values = pu_calloc((size_t)argc, sizeof *cli.values);
    cli.operand_store = pu_calloc((size_t)argc, sizeof *cli.operand_store);
    cli.operands = cli.operand_store;
    int code = EXIT_FAILED;
    if (cli.result && cli.values && cli.operand_store) {
        pu_status status = parse_arguments(&cli, argc, argv);
        const char *path = pu__cli_value(&cli, "json");
        const pu_status place = !path ? PU_OK : is_output(path) ? part_output(&cli) : check_result_path(path);
        cli.result_refused = place != PU_OK;
        if (place != PU_OK) status = place;
        if (status == PU_OK && pu__cli_flag(&cli, "help")) pu__help_verb(verb);
        else if (status == PU_OK) status = execute(&cli);
        code = finish(&cli, status);
    } else {
        fprintf(stderr, "plusultra %s: out of memory\n", verb->name);
    }
    pu_config_free(cli.config);
    json_decref(cli.result);
    pu_free(cli.operand_store);
    pu_free(cli.values);
    return code;
}

static const pu__verb *find_verb(int count, const pu__verb *const *verbs, const char *name) {
    for (int i = 0; i < count; ++i) {
        if (strcmp(verbs[i]->name, name) == 0) return verbs[i];
    }
    return NULL;
}

static int fail_unknown_verb(int count, const pu__verb *const *verbs, const char *name) {
    const char *names[OPTIONS_MAX];
    for (int i = 0; i < count && i < OPTIONS_MAX; ++i) names[i] = verbs[i]->name;
    const char *nearest = pu__nearest(name, count < OPTIONS_MAX ? count : OPTIONS_MAX, names);
    if (nearest) fprintf(stderr, "plusultra: unknown command '%.80s'; did you mean %s?\n", name, nearest);
    else fprintf(stderr, "plusultra: unknown command '%.80s'; `plusultra --help` lists all\n", name);
    return EXIT_USAGE;
}

int pu__cli_main(int verb_count, const pu__verb *const *verbs, int argc, char **argv) {
    if (argc < 2) {
        pu__help_all(stderr, verb_count, verbs);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        printf("plusultra %s\n", PU_VERSION);
        return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
    }
    const bool help = strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (help && argc < 3) {
        pu__help_all(stdout, verb_count, verbs);
        return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
    }
    if (help) name = argv[2];
    if (!help && name[0] == '-') {
        fprintf(stderr, "plusultra: unknown option %.80s; a command comes first: see `plusultra --help`\n", name);
        return EXIT_USAGE;
    }
    const pu__verb *verb = find_verb(verb_count, verbs, name);
    if (!verb) return fail_unknown_verb(verb_count, verbs, name);
    if (!help) return run_verb(verb, argc, argv);
    pu__help_verb(verb);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}
