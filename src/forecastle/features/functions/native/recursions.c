/* Recursions, in which each value takes the one before: several windows side by side, for a processor waits longer for
 * one value of a recursion than it takes to work on a few others.
 *
 * `from` holds n values without a NaN. Results have n places, NaN in those of the warm-up. Nothing is allocated and
 * nothing fails. */

#include "kernels.h"

#define LANES 8
#define PAIRS 4 /* a division a value takes long: as many as are done at once */

static void missing(double *to, Size n)
{
    for (Size i = 0; i < n; i++)
        to[i] = NAN;
}

static Size least(Size a, Size b)
{
    return a < b ? a : b;
}

static double mean(const double *from, Size n)
{
    double sum = 0.0;
    for (Size i = 0; i < n; i++)
        sum += from[i];
    return sum / (double)n;
}

static double weight_of(Size window)
{
    return 2.0 / ((double)window + 1.0);
}

/* Of `count` windows, 1 to LANES, ascending; each is seeded when its turn comes. */
VECTORISED static void emas(const double *from, Size n, Size count, const Size *windows, double *const *to)
{
    double value[LANES] = {0}, weight[LANES] = {0};
    for (Size lane = 0; lane < count; lane++) {
        weight[lane] = weight_of(windows[lane]);
        missing(to[lane], least(windows[lane] - 1, n));
    }
    for (Size started = 0, i = 0; started <= count; started++) {
        const Size stop = started < count ? least(windows[started], n) : n;
        for (; i < stop; i++) {
            for (Size lane = 0; lane < LANES; lane++)
                value[lane] += (from[i] - value[lane]) * weight[lane];
            for (Size lane = 0; lane < started; lane++)
                to[lane][i] = value[lane];
        }
        if (started < count && stop == windows[started])
            to[started][stop - 1] = value[started] = mean(from, stop);
    }
}

/* Exponential moving averages, seeded with the mean of their first values; `windows` ascend. */
EXPORTED void kernel_emas(const double *from, Size n, Size count, const Size *windows, double *const *to)
{
    for (Size first = 0; first < count; first += LANES)
        emas(from, n, least(LANES, count - first), windows + first, to + first);
}

static double up(double change)
{
    return change > 0.0 ? change : 0.0;
}

/* Share of the gains in percent, 0 where nothing moved. */
static double strength(double gain, double loss)
{
    const double moved = gain + loss;
    return 100.0 * (gain / (moved == 0.0 ? 1.0 : moved)); /* NaN stays NaN */
}

/* Mean of the first `window` gains; of the losses with a `sign` of -1. */
static double mean_move(const double *from, Size window, double sign)
{
    double sum = 0.0;
    for (Size i = 1; i <= window; i++)
        sum += up(sign * (from[i] - from[i - 1]));
    return sum / (double)window;
}

/* Of `count` windows, 1 to PAIRS, ascending; each is seeded when its turn comes. */
VECTORISED static void rsis(const double *from, Size n, Size count, const Size *windows, double *const *to)
{
    double gain[PAIRS] = {0}, loss[PAIRS] = {0}, weight[PAIRS] = {0}, value[PAIRS];
    for (Size lane = 0; lane < count; lane++) {
        weight[lane] = 1.0 / (double)windows[lane];
        missing(to[lane], least(windows[lane], n));
    }
    for (Size started = 0, i = 1; started <= count; started++) {
        const Size stop = started < count ? least(windows[started] + 1, n) : n;
        for (; i < stop; i++) {
            const double change = from[i] - from[i - 1], gained = up(change), lost = up(-change);
            for (Size lane = 0; lane < PAIRS; lane++) {
                gain[lane] += (gained - gain[lane]) * weight[lane];
                loss[lane] += (lost - loss[lane]) * weight[lane];
                value[lane] = strength(gain[lane], loss[lane]);
            }
            for (Size lane = 0; lane < started; lane++)
                to[lane][i] = value[lane];
        }
        if (started < count && stop == windows[started] + 1) {
            gain[started] = mean_move(from, windows[started], 1.0);
            loss[started] = mean_move(from, windows[started], -1.0);
            to[started][stop - 1] = strength(gain[started], loss[started]);
        }
    }
}

/* Relative strength indices with Wilder's smoothing; `windows` ascend. */
EXPORTED void kernel_rsis(const double *from, Size n, Size count, const Size *windows, double *const *to)
{
    for (Size first = 0; first < count; first += PAIRS)
        rsis(from, n, least(PAIRS, count - first), windows + first, to + first);
}
