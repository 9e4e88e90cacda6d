/* TA-Lib's C library, loaded at run time, on columns that are ready: what our features of the same names are
 * measured against. */
#ifndef PU_BENCH_SYSTEM_TALIB_PEER_H
#define PU_BENCH_SYSTEM_TALIB_PEER_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "plusultra/features.h"

enum { TALIB_OUTPUTS_MAX = 3, TALIB_OPTIONS_MAX = 3, TALIB_EMA = 1 /* of TA_MAType; 0 is SMA */ };

typedef void talib_function(void);

/* One call over the bars of one asset. */
typedef struct talib_run {
    const pu_feature_chunk *bars;
    const double *option;
    double *out[TALIB_OUTPUTS_MAX];
    int begin, count; /* set by TA-Lib: the first bar that has a value, values */
} talib_run;

/* A function of TA-Lib takes the first and last bar, inputs and options, where to put `begin` and `count`, outputs;
 * it returns 0. */
#define TALIB_UNPACK(...) __VA_ARGS__
#define TALIB_CALL(name, types, arguments, output_types, outputs)                                                \
    static int talib_##name(talib_function *function, talib_run *r) {                                            \
        const double *open = r->bars->open, *high = r->bars->high, *low = r->bars->low, *close = r->bars->close; \
        const double *volume = r->bars->volume, *o = r->option;                                                  \
        (void)open, (void)high, (void)low, (void)close, (void)volume, (void)o;                                   \
        return ((int (*)(int, int, TALIB_UNPACK types, int *, int *, TALIB_UNPACK output_types))function)(       \
            0, (int)r->bars->count - 1, TALIB_UNPACK arguments, &r->begin, &r->count, TALIB_UNPACK outputs);     \
    }
#define TALIB_ONE(name, types, arguments) TALIB_CALL(name, types, arguments, (double *), (r->out[0]))
#define TALIB_TWO(name, types, arguments) \
    TALIB_CALL(name, types, arguments, (double *, double *), (r->out[0], r->out[1]))
#define TALIB_THREE(name, types, arguments) \
    TALIB_CALL(name, types, arguments, (double *, double *, double *), (r->out[0], r->out[1], r->out[2]))
#define P const double *

TALIB_ONE(close, (P), (close))
TALIB_TWO(close_two, (P), (close))
TALIB_ONE(close_bars, (P, int), (close, (int)o[0]))
TALIB_ONE(close_bars_value, (P, int, double), (close, (int)o[0], o[1]))
TALIB_ONE(high_low_bars, (P, P, int), (high, low, (int)o[0]))
TALIB_TWO(high_low_bars_two, (P, P, int), (high, low, (int)o[0]))
TALIB_ONE(range, (P, P, P), (high, low, close))
TALIB_ONE(range_bars, (P, P, P, int), (high, low, close, (int)o[0]))
TALIB_ONE(bop, (P, P, P, P), (open, high, low, close))
TALIB_THREE(bbands, (P, int, double, double, int), (close, (int)o[0], o[1], o[1], 0))
TALIB_ONE(sar, (P, P, double, double), (high, low, o[0], o[1]))
TALIB_ONE(pair, (P, int, int, int), (close, (int)o[0], (int)o[1], TALIB_EMA))
TALIB_THREE(macd, (P, int, int, int), (close, (int)o[0], (int)o[1], (int)o[2]))
TALIB_TWO(stoch, (P, P, P, int, int, int, int, int), (high, low, close, (int)o[0], (int)o[1], 0, (int)o[2], 0))
TALIB_TWO(stochf, (P, P, P, int, int, int), (high, low, close, (int)o[0], (int)o[1], 0))
TALIB_TWO(stochrsi, (P, int, int, int, int), (close, (int)o[0], (int)o[1], (int)o[2], 0))
TALIB_ONE(ultosc, (P, P, P, int, int, int), (high, low, close, (int)o[0], (int)o[1], (int)o[2]))
TALIB_ONE(mfi, (P, P, P, P, int), (high, low, close, volume, (int)o[0]))
TALIB_ONE(ad, (P, P, P, P), (high, low, close, volume))
TALIB_ONE(adosc, (P, P, P, P, int, int), (high, low, close, volume, (int)o[0], (int)o[1]))
TALIB_ONE(obv, (P, P), (close, volume))
#undef P

/* A function, our features that are its outputs, its options. */
static const struct talib_row {
    const char *function, *features[TALIB_OUTPUTS_MAX];
    int (*call)(talib_function *function, talib_run *run);
    double option[TALIB_OPTIONS_MAX];
} talib_rows[] = {
    {"TA_SMA", {"sma_30"}, talib_close_bars, {30}},
    {"TA_EMA", {"ema_30"}, talib_close_bars, {30}},
    {"TA_WMA", {"wma_30"}, talib_close_bars, {30}},
    {"TA_DEMA", {"dema_30"}, talib_close_bars, {30}},
    {"TA_TEMA", {"tema_30"}, talib_close_bars, {30}},
    {"TA_TRIMA", {"trima_30"}, talib_close_bars, {30}},
    {"TA_KAMA", {"kama_30"}, talib_close_bars, {30}},
    {"TA_T3", {"t3_5"}, talib_close_bars_value, {5, 0.7}},
    {"TA_BBANDS", {"bbands_upper_20", "bbands_middle_20", "bbands_lower_20"}, talib_bbands, {20, 2}},
    {"TA_MIDPOINT", {"midpoint_14"}, talib_close_bars, {14}},
    {"TA_MIDPRICE", {"midprice_14"}, talib_high_low_bars, {14}},
    {"TA_SAR", {"sar"}, talib_sar, {0.02, 0.2}},
    {"TA_TRANGE", {"trange"}, talib_range, {0}},
    {"TA_ATR", {"atr_14"}, talib_range_bars, {14}},
    {"TA_NATR", {"natr_14"}, talib_range_bars, {14}},
    {"TA_BOP", {"bop"}, talib_bop, {0}},
    {"TA_APO", {"apo"}, talib_pair, {12, 26}},
    {"TA_PPO", {"ppo"}, talib_pair, {12, 26}},
    {"TA_MACD", {"macd", "macd_signal", "macd_hist"}, talib_macd, {12, 26, 9}},
    {"TA_MOM", {"mom_10"}, talib_close_bars, {10}},
    {"TA_ROC", {"roc_10"}, talib_close_bars, {10}},
    {"TA_TRIX", {"trix_30"}, talib_close_bars, {30}},
    {"TA_RSI", {"rsi_14"}, talib_close_bars, {14}},
    {"TA_CMO", {"cmo_14"}, talib_close_bars, {14}},
    {"TA_CCI", {"cci_14"}, talib_range_bars, {14}},
    {"TA_WILLR", {"willr_14"}, talib_range_bars, {14}},
    {"TA_STOCH", {"stoch_k", "stoch_d"}, talib_stoch, {5, 3, 3}},
    {"TA_STOCHF", {"stochf_k", "stochf_d"}, talib_stochf, {5, 3}},
    {"TA_STOCHRSI", {"stochrsi_k", "stochrsi_d"}, talib_stochrsi, {14, 5, 3}},
    {"TA_ULTOSC", {"ultosc"}, talib_ultosc, {7, 14, 28}},
    {"TA_AROON", {"aroon_down_14", "aroon_up_14"}, talib_high_low_bars_two, {14}},
    {"TA_AROONOSC", {"aroonosc_14"}, talib_high_low_bars, {14}},
    {"TA_PLUS_DI", {"plus_di_14"}, talib_range_bars, {14}},
    {"TA_MINUS_DI", {"minus_di_14"}, talib_range_bars, {14}},
    {"TA_DX", {"dx_14"}, talib_range_bars, {14}},
    {"TA_ADX", {"adx_14"}, talib_range_bars, {14}},
    {"TA_ADXR", {"adxr_14"}, talib_range_bars, {14}},
    {"TA_LINEARREG", {"linearreg_14"}, talib_close_bars, {14}},
    {"TA_LINEARREG_SLOPE", {"linearreg_slope_14"}, talib_close_bars, {14}},
    {"TA_LINEARREG_ANGLE", {"linearreg_angle_14"}, talib_close_bars, {14}},
    {"TA_TSF", {"tsf_14"}, talib_close_bars, {14}},
    {"TA_VAR", {"var_5"}, talib_close_bars_value, {5, 1}},
    {"TA_STDDEV", {"stddev_5"}, talib_close_bars_value, {5, 1}},
    {"TA_MFI", {"mfi_14"}, talib_mfi, {14}},
    {"TA_AD", {"ad"}, talib_ad, {0}},
    {"TA_ADOSC", {"adosc"}, talib_adosc, {3, 10}},
    {"TA_OBV", {"obv"}, talib_obv, {0}},
    {"TA_HT_DCPERIOD", {"ht_dcperiod"}, talib_close, {0}},
    {"TA_HT_DCPHASE", {"ht_dcphase"}, talib_close, {0}},
    {"TA_HT_PHASOR", {"ht_phasor_inphase", "ht_phasor_quadrature"}, talib_close_two, {0}},
    {"TA_HT_SINE", {"ht_sine", "ht_leadsine"}, talib_close_two, {0}},
    {"TA_HT_TRENDLINE", {"ht_trendline"}, talib_close, {0}},
};
enum { TALIB_ROWS = sizeof talib_rows / sizeof talib_rows[0] };

/* The functions of the rows; false, and why on stderr, where the library is not there. */
static bool talib_open(const char *path, talib_function *function[TALIB_ROWS]) {
    void *library = dlopen(path, RTLD_NOW);
    void *start = library ? dlsym(library, "TA_Initialize") : NULL;
    if (!start) {
        fprintf(stderr, "bench_features: %s\n", dlerror());
        return false;
    }
    ((int (*)(void))(talib_function *)start)();
    for (int i = 0; i < TALIB_ROWS; ++i) {
        function[i] = (talib_function *)dlsym(library, talib_rows[i].function);
        if (!function[i]) return false;
    }
    return true;
}

#endif
