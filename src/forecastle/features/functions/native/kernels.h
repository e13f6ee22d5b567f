/* What every file of kernels needs. Contracting a product and a sum into one operation would round differently from
 * one processor to the next: build with -ffp-contract=off. */

#ifndef FORECASTLE_KERNELS_H
#define FORECASTLE_KERNELS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define VECTORISED __attribute__((target_clones("avx2", "default")))
#else
#define VECTORISED
#endif

#define EXPORTED __attribute__((visibility("default")))

typedef ptrdiff_t Size;

#endif
