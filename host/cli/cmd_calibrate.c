#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/file.h"
#include "host/cli/cli.h"
#include "host/sim/calibrate.h"
#include "plusultra/log.h"
#include "plusultra/memory.h"

enum {
    SAMPLES = 400,
    SAMPLES_LEAST = 20,
    SAMPLES_MOST = 100000,
    PATH_BYTES = 4096,
    SYMBOL_COLUMN = 10,
    NAME_COLUMN = 46
};

/* ---- on the terminal ---- */

static void print_estimates(const pu__calibration *c, const pu__market *market) {
    printf("\n%-*s  %-24s %14s %14s\n", SYMBOL_COLUMN, "asset", "parameter", "estimate", "standard error");
    for (int a = 0; a < c->assets; ++a) {
        const pu__fit *fit = &c->fit[a];
        for (int i = 0; i < fit->estimates; ++i) {
            const pu__estimate *e = &fit->estimate[i];
            printf("%-*s  %-24s %14.6g", SYMBOL_COLUMN, i == 0 ? market->asset[a].symbol : "", e->name, e->value);
            if (isfinite(e->error)) printf(" %14.3g\n", e->error);
            else printf(" %14s\n", "-");
        }
        if (isfinite(fit->bic))
            printf("%-*s  log-likelihood %.2f, AIC %.2f, BIC %.2f%s\n", SYMBOL_COLUMN, "", fit->log_likelihood,
                   fit->aic, fit->bic, fit->converged ? "" : "; NOT CONVERGED");
        if (fit->note[0]) printf("%-*s  note: %s\n", SYMBOL_COLUMN, "", fit->note);
    }
}

static void print_together(const pu__calibration *c, const pu__market *market) {
    if (c->kind == PU_SIM_BOOTSTRAP)
        printf("\nmean length of a block: %.1f bars (the mean over assets of the longer of the two)\n",
               c->block_bars);
    if (c->assets < 2) return;
    double least = 1.0, most = -1.0, error = 0.0;
    for (int a = 0; a < c->assets; ++a) {
        for (int b = 0; b < a; ++b) {
            least = fmin(least, c->correlation[a * c->assets + b]);
            most = fmax(most, c->correlation[a * c->assets + b]);
            error = fmax(error, c->correlation_error[a * c->assets + b]);
        }
    }
    printf("\ncorrelations of the draws that move prices: %.3f to %.3f, largest standard error %.3f%s\n", least,
           most, error,
           pu__calibration_matches_returns(c)
               ? ";\nchosen so that simulated returns are correlated as those of the history"
               : "");
    if (c->assets <= 12) {
        for (int a = 0; a < c->assets; ++a) {
            printf("%-*s ", SYMBOL_COLUMN, market->asset[a].symbol);
            for (int b = 0; b <= a; ++b) printf(" %6.3f", c->correlation[a * c->assets + b]);
            putchar('\n');
        }
    }
    char missed[PU__MISSED_BYTES];
    pu__calibration_missed_text(c, market, missed, sizeof missed);
    if (missed[0]) printf("%s\n", missed);
    if (c->repair.clipped > 0)
        printf("repaired: %d %s raised, the least was %.3g; no correlation moved by more than %.3g\n",
               c->repair.clipped, c->repair.clipped == 1 ? "eigenvalue" : "eigenvalues",
               c->repair.least_eigenvalue, c->repair.largest_change);
}

static void print_misfit(const pu__misfit *misfit, const pu__market *market, int samples) {
    int failed = 0, figures = 0;
    printf("\nwhere the model does not match, 95 %% of %d simulated histories of the same length:\n", samples);
    printf("%-*s  %-*s %10s %22s\n", SYMBOL_COLUMN, "asset", NAME_COLUMN, "figure", "history", "model");
    for (int a = 0; a < market->assets; ++a) {
        for (int i = 0; i < PU__MISFIT_COUNT; ++i) {
            const pu__misfit *m = &misfit[a * PU__MISFIT_COUNT + i];
            if (!isfinite(m->history)) continue;
            char interval[64];
            snprintf(interval, sizeof interval, "%.4g to %.4g", m->low, m->high);
            printf("%-*s  %-*s %10.4g %22s  %s\n", SYMBOL_COLUMN, i == 0 ? market->asset[a].symbol : "",
                   NAME_COLUMN, pu__misfit_name((pu__misfit_kind)i), m->history, interval,
                   m->matches ? "matches" : "does NOT match");
            ++figures;
            failed += !m->matches;
        }
    }
    printf("%d of %d figures do not match; a right model misses 1 in 20 by chance.\n", failed, figures);
}

/* ---- the work ---- */

static pu_status choose_process(const pu__cli *cli, pu_process_kind *out) {
    const char *asked = pu__cli_value(cli, "process");
    if (asked) {
        const pu_status status = pu__process_named(asked, out);
        return status == PU_OK ? PU_OK : pu_fail_within(status, "--process");
    }
    if (strcmp(cli->config->stress.process, "replay") == 0)
        return pu_fail(PU_ERR_CONFIG, "stress.process replay has nothing to fit: choose a process with --process");
    return pu__process_named(cli->config->stress.process, out);
}

static pu_status make_folder(const pu_config *config, char folder[PATH_BYTES]) {
    if (snprintf(folder, PATH_BYTES, "%s/%s", config->run.out, config->run.name) >= PATH_BYTES)
        return pu_fail(PU_ERR_CONFIG, "run.out and run.name make a path that is too long");
    return pu__folder_make(folder);
}

static pu_status write_document(const pu__cli *cli, const json_t *document) {
    char folder[PATH_BYTES], path[PATH_BYTES + 32];
    PU_TRY(make_folder(cli->config, folder));
    snprintf(path, sizeof path, "%s/calibration.json", folder);
    char *text = json_dumps(document, JSON_INDENT(1));
    if (!text) return pu_fail(PU_ERR_MEMORY, "no memory for calibration.json");
    const pu_status status = pu__file_replace(path, text, strlen(text));
    free(text);
    if (status == PU_OK) printf("written: %s\n", path);
    return status;
}

static void warn(const pu__calibration *c, const pu__market *market) {
    if (market->left_out > 0)
        pu_log(PU_LOG_WARNING, "calibrate.left_out", "%lld times at which some asset has no bar are left out",
               (long long)market->left_out);
    for (int a = 0; a < c->assets; ++a) {
        if (!c->fit[a].converged)
            pu_log(PU_LOG_WARNING, "calibrate.not_converged", "%s: %s", market->asset[a].symbol, c->fit[a].note);
    }
}

static pu_status finish(pu__cli *cli, const pu__calibration *c, const pu__market *market, int samples,
                        pu_pool *pool) {
    pu__misfit *misfit = pu_calloc((size_t)c->assets * PU__MISFIT_COUNT, sizeof *misfit);
    if (!misfit) return PU_ERR_MEMORY;
    warn(c, market);
    printf("%s fitted to %lld bars of %d assets, %.6g a year (%s)\n", pu__process_name(c->kind),
           (long long)market->rows, c->assets, market->periods_per_year, market->periods_reason);
    print_estimates(c, market);
    print_together(c, market);
    fflush(stdout);
    pu_status status =
        samples > 0 ? pu__calibration_misfit(c, market, samples, (uint64_t)cli->config->run.seed, pool, misfit)
                    : PU_OK;
    if (status == PU_OK && samples > 0) print_misfit(misfit, market, samples);
    json_t *document = NULL;
    if (status == PU_OK) {
        document = pu__calibration_json(c, market, samples > 0 ? misfit : NULL);
        status = document ? write_document(cli, document) : pu_fail(PU_ERR_MEMORY, "no memory for the result");
    }
    if (document) json_object_set(cli->result, "calibration", document);
    json_decref(document);
    pu_free(misfit);
    return status;
}

static pu_status run(pu__cli *cli) {
    pu_process_kind kind;
    int64_t from = 0, to = 0, regimes = 0, samples = 0;
    char folder[PATH_BYTES];
    PU_TRY(choose_process(cli, &kind));
    PU_TRY(pu__cli_int(cli, "regimes", 0, 2, PU_SIM_REGIMES_MAX, &regimes));
    PU_TRY(pu__cli_int(cli, "samples", SAMPLES, 0, SAMPLES_MOST, &samples));
    if (samples > 0 && samples < SAMPLES_LEAST)
        return pu_fail(PU_ERR_CONFIG, "--samples: %lld do not make an interval: 0, or %d and more",
                       (long long)samples, (int)SAMPLES_LEAST);
    PU_TRY(make_folder(cli->config, folder)); /* what cannot be written is known before anything is fitted */
    PU_TRY(pu__market_interval(cli->config, &from, &to));
    const pu__calibrate_options options = {.regimes = (int)regimes, .feller = pu__cli_flag(cli, "feller")};
    pu__market market;
    PU_TRY(pu__market_load(cli->config, true, from, to, &market));
    pu_pool *pool = NULL;
    pu__calibration calibration = {0};
    pu_status status = pu_pool_new((int)cli->config->run.threads, &pool);
    if (status == PU_OK) status = pu__calibrate(&market, kind, &options, pool, &calibration);
    if (status == PU_OK) status = finish(cli, &calibration, &market, (int)samples, pool);
    pu__calibration_free(&calibration);
    pu_pool_free(pool);
    pu__market_free(&market);
    return status;
}

static const pu__option options[] = {
    {"process", 'p', "KIND", "gbm, merton, heston, garch, regimes or bootstrap; stress.process if absent"},
    {"regimes", 0, "N", "2 to 4 regimes; by BIC if absent"},
    {"feller", 0, NULL, "refuse a Heston fit whose variance can reach 0"},
    {"samples", 0, "N", "simulated histories of the misfit table; 400 if absent, 0: no table"},
};

const pu__verb pu__verb_calibrate = {
    .name = "calibrate",
    .summary = "fit a price process to the history",
    .details = "Fits a price process to the bars of the configuration's assets within stress.fit, prints its "
               "parameters with their\n"
               "standard errors, and where the fitted process does not match the history: simulated histories of "
               "the same length\n"
               "beside it. Writes <run.out>/<run.name>/calibration.json. Methods and their sources are in "
               "docs/calibration.md.",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .takes_config = true,
    .run = run,
};
