// A plug-in in C++, whose state is a class.
#include <plusultra/features.h>

#include <cmath>

namespace {

struct widest {
    double range;
    double push(const pu_feature_bar &bar) {
        range = std::fmax(0.9 * range, std::log(bar.high / bar.low));
        return range;
    }
};

double update(void *state, const double *, const pu_feature_bar *bar, int64_t) {
    return static_cast<widest *>(state)->push(*bar);
}

pu_feature describe() {
    pu_feature feature{};
    feature.abi = PU_FEATURE_ABI;
    feature.name = "cpp_range";
    feature.version = 1;
    feature.description = "Decaying maximum of the bar's log range.";
    feature.tags = "volatility,range";
    feature.source = "max(0.9 x, ln(high / low))";
    feature.state_bytes = sizeof(widest);
    feature.update = update;
    return feature;
}

const pu_feature range = describe();
const pu_feature *const all[] = {&range};

} // namespace

PU_PLUGIN_EXPORT const pu_feature *const *pu_plugin_features(int *count) {
    *count = 1;
    return all;
}
