/* The account of a path at one bar, in the terms that every version of the lanes shares: marked, then closed. */
#ifndef PU_KERNELS_PATHS_PATH_ACCOUNT_H
#define PU_KERNELS_PATHS_PATH_ACCOUNT_H

#include "kernels/paths/path_returns.h"

typedef struct pu__path_account {
    double equity, peak, worst, worst_peak, traded, turnover, under_water, alive;
} pu__path_account;

PU_HOST_DEVICE static inline pu__path_account pu__account_take(const pu__path_lanes *lanes, int l) {
    const pu__path_account account = {lanes->equity[l],      lanes->peak[l],   lanes->worst[l],
                                      lanes->worst_peak[l],  lanes->traded[l], lanes->turnover[l],
                                      lanes->under_water[l], lanes->alive[l]};
    return account;
}

PU_HOST_DEVICE static inline void pu__account_put(pu__path_lanes *lanes, int l, const pu__path_account *account) {
    lanes->equity[l] = account->equity;
    lanes->peak[l] = account->peak;
    lanes->worst[l] = account->worst;
    lanes->worst_peak[l] = account->worst_peak;
    lanes->traded[l] = account->traded;
    lanes->turnover[l] = account->turnover;
    lanes->under_water[l] = account->under_water;
    lanes->alive[l] = account->alive;
}

/* `worth`: the equity and what each position has earned since, added one by one in fused multiply-adds. A ruined
 * account stays at 0, whatever the positions that it had are worth. */
PU_HOST_DEVICE static inline void pu__account_mark(pu__path_account *account, double worth, double carry) {
    const double marked = account->equity > 0.0 ? worth - carry : 0.0;
    account->equity = marked > 0.0 ? marked : 0.0;
}

/* `left`: the equity that the bar's costs leave; `traded`: its notionals. */
PU_HOST_DEVICE static inline void pu__account_close(pu__path_account *account, double left, double traded) {
    account->traded += traded;
    account->turnover = pu__execution_turnover(account->turnover, traded, account->equity);
    const double equity = left > 0.0 ? left : 0.0;
    account->equity = equity;
    account->alive += equity > 0.0 ? 1.0 : 0.0;
    account->peak = equity > account->peak ? equity : account->peak;
    /* equity / peak < worst / worst_peak, without the divisions */
    const bool deeper = equity * account->worst_peak < account->worst * account->peak;
    account->worst = deeper ? equity : account->worst;
    account->worst_peak = deeper ? account->peak : account->worst_peak;
    account->under_water += equity < account->peak ? 1.0 : 0.0;
}

#endif
