/* Means, deviations and extremes of every run of `window` neighbours: what runs.py says in NumPy, bit for bit.
 *
 * Series are worked through in pieces that stay in the first-level cache. In each, runs of 1, 2, 4, ... values are
 * built in place, and those that `window` consists of are put together from the shortest to the longest.
 *
 * `from` holds n >= window values without a NaN, `to` takes n - window + 1 results, and `scratch` has room for
 * kernel_scratch(window) values. Nothing is allocated and nothing fails. */

#include "kernels.h"

#define FEWEST 1024
#define BUFFERS 4

/* Results a piece: few enough for the cache, many enough that the overlap of `window` - 1 values costs little. */
static Size results_of(Size window)
{
    return window * 4 > FEWEST ? window * 4 : FEWEST;
}

static Size room(Size window)
{
    return results_of(window) + window;
}

EXPORTED Size kernel_scratch(Size window)
{
    return BUFFERS * room(window);
}

/* Sums of runs of `window` values: n of them need n + window - 1 values. */
VECTORISED static void add_up(const double *from, Size n, Size window, double *power, double *sum)
{
    const Size values = n + window - 1;
    Size covered = 0;
    memcpy(power, from, (size_t)values * sizeof *power);
    for (Size length = 1;; length *= 2) {
        if (window & length) {
            const Size count = values - covered - length + 1;
            if (covered) {
                const double *right = power + covered;
                for (Size i = 0; i < count; i++)
                    sum[i] += right[i];
            } else {
                memcpy(sum, power, (size_t)count * sizeof *sum);
            }
            covered += length;
        }
        if (covered == window)
            return;
        const double *right = power + length;
        const Size count = values - 2 * length + 1;
        for (Size i = 0; i < count; i++)
            power[i] += right[i];
    }
}

/* Centred sums of squares of runs, by the pairwise update of Chan, Golub and LeVeque (1979). */
VECTORISED static void add_squares(const double *from, Size n, Size window, double *buffers[BUFFERS])
{
    double *power = buffers[0], *power_squares = buffers[1], *sum = buffers[2], *squares = buffers[3];
    const Size values = n + window - 1;
    Size covered = 0;
    memcpy(power, from, (size_t)values * sizeof *power);
    memset(power_squares, 0, (size_t)values * sizeof *power_squares);
    for (Size length = 1;; length *= 2) {
        if (window & length) {
            const Size count = values - covered - length + 1;
            if (covered) {
                const double left_count = (double)covered, right_count = (double)length;
                const double scale = sqrt(left_count * right_count / (left_count + right_count));
                const double left_scale = scale / left_count, right_scale = scale / right_count;
                const double *right = power + covered, *right_squares = power_squares + covered;
                for (Size i = 0; i < count; i++) {
                    const double difference = right[i] * right_scale - sum[i] * left_scale;
                    squares[i] = difference * difference + squares[i] + right_squares[i];
                    sum[i] += right[i];
                }
            } else {
                memcpy(sum, power, (size_t)count * sizeof *sum);
                memcpy(squares, power_squares, (size_t)count * sizeof *squares);
            }
            covered += length;
        }
        if (covered == window)
            return;
        const double *right = power + length, *right_squares = power_squares + length;
        const double half = 0.5 / (double)length;
        const Size count = values - 2 * length + 1;
        for (Size i = 0; i < count; i++) {
            const double difference = right[i] - power[i];
            power_squares[i] = difference * difference * half + power_squares[i] + right_squares[i];
            power[i] += right[i];
        }
    }
}

VECTORISED static void divide(const double *from, Size n, double by, double *to)
{
    for (Size i = 0; i < n; i++)
        to[i] = from[i] / by;
}

/* Square roots of quotients, and the least of them. */
VECTORISED static double root(const double *from, Size n, double by, double *to)
{
    double least = INFINITY;
    for (Size i = 0; i < n; i++) {
        const double value = sqrt(from[i] / by);
        to[i] = value;
        least = value < least ? value : least;
    }
    return least;
}

/* Two overlapping runs of a power of two cover any longer one: a value may be looked at twice. */
#define EXTREMES(name, BEFORE)                                                                            \
    VECTORISED static void name(const double *from, Size n, Size window, double *power, double *to)       \
    {                                                                                                     \
        const Size values = n + window - 1;                                                               \
        Size length = 1;                                                                                  \
        memcpy(power, from, (size_t)values * sizeof *power);                                              \
        for (; 2 * length < window; length *= 2) {                                                        \
            const double *right = power + length;                                                         \
            const Size count = values - 2 * length + 1;                                                   \
            for (Size i = 0; i < count; i++)                                                              \
                power[i] = right[i] BEFORE power[i] ? right[i] : power[i];                                \
        }                                                                                                 \
        const double *right = power + window - length;                                                    \
        for (Size i = 0; i < n; i++)                                                                      \
            to[i] = right[i] BEFORE power[i] ? right[i] : power[i];                                       \
    }

EXTREMES(least_of, <)
EXTREMES(greatest_of, >)

EXPORTED void kernel_means(const double *from, Size n, Size window, double *scratch, double *to)
{
    const Size results = n - window + 1, most = results_of(window);
    for (Size at = 0; at < results; at += most) {
        const Size count = results - at < most ? results - at : most;
        add_up(from + at, count, window, scratch, scratch + room(window));
        divide(scratch + room(window), count, (double)window, to + at);
    }
}

/* Roots of the centred sums of squares over `divisor`; returns the least. */
EXPORTED double kernel_deviations(
    const double *from, Size n, Size window, double divisor, double *scratch, double *to)
{
    const Size results = n - window + 1, most = results_of(window);
    double *buffers[BUFFERS], least = INFINITY;
    for (int i = 0; i < BUFFERS; i++)
        buffers[i] = scratch + i * room(window);
    for (Size at = 0; at < results; at += most) {
        const Size count = results - at < most ? results - at : most;
        add_squares(from + at, count, window, buffers);
        const double found = root(buffers[3], count, divisor, to + at);
        least = found < least ? found : least;
    }
    return least;
}

EXPORTED void kernel_extremes(const double *from, Size n, Size window, int greatest, double *scratch, double *to)
{
    const Size results = n - window + 1, most = results_of(window);
    for (Size at = 0; at < results; at += most) {
        const Size count = results - at < most ? results - at : most;
        (greatest ? greatest_of : least_of)(from + at, count, window, scratch, to + at);
    }
}

/* Whether no value is infinite or NaN: those have all bits of the exponent set. */
VECTORISED EXPORTED int kernel_finite(const double *from, Size n)
{
    const uint64_t exponent = UINT64_C(0x7ff) << 52;
    uint64_t found = 0;
    for (Size i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, from + i, sizeof bits);
        found |= (bits & exponent) == exponent;
    }
    return !found;
}
