/* Lets OpenCV compute with NumPy's OpenBLAS, so that a package carries one instead of two (packaging/slim.py).

   Both wheels bring a whole OpenBLAS. OpenCV calls the one with 32-bit integers under the usual names; NumPy's has 64-bit
   integers under names of its own. This library has OpenCV's names, widens the integers, and hands every call on: nothing
   is left out and nothing is computed here. The two interfaces are BLAS's and LAPACK's own (netlib.org/lapack), whose
   argument lists these are. Compiled with the name and the path of the library that it stands in for. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef int32_t narrow;
typedef int64_t wide;
typedef struct { float re, im; } complex32;
typedef struct { double re, im; } complex64;

/* What LAPACKE, LAPACK's own interface to C, answers when there is no memory for a copy. */
enum { NO_MEMORY = -1010 };

static wide *room(wide count) { return malloc(sizeof(wide) * (size_t)(count > 0 ? count : 1)); }

static wide least(wide a, wide b) { return a < b ? a : b; }

/* Row numbers come back in wide integers and are wanted in narrow ones; none is larger than n, which is narrow. */
static void narrowed(narrow *to, const wide *from, wide count) {
    for (wide i = 0; i < count; i++) to[i] = (narrow)from[i];
}

#define GEMM(letter, type, scalar) \
    void scipy_cblas_##letter##gemm64_(int, int, int, wide, wide, wide, scalar, const type *, wide, const type *, wide, \
                                       scalar, type *, wide); \
    void cblas_##letter##gemm(int order, int ta, int tb, narrow m, narrow n, narrow k, scalar alpha, const type *a, \
                              narrow lda, const type *b, narrow ldb, scalar beta, type *c, narrow ldc) { \
        scipy_cblas_##letter##gemm64_(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc); \
    }

GEMM(s, float, float)
GEMM(d, double, double)
GEMM(c, complex32, const void *)
GEMM(z, complex64, const void *)

/* Fortran takes the lengths of texts after all else; each text here is one letter. */
#define LAPACK(letter, type) \
    void scipy_##letter##geqrf_64_(wide *, wide *, type *, wide *, type *, type *, wide *, wide *); \
    void letter##geqrf_(narrow *m, narrow *n, type *a, narrow *lda, type *tau, type *work, narrow *lwork, narrow *info) { \
        wide m_ = *m, n_ = *n, lda_ = *lda, lwork_ = *lwork, info_ = 0; \
        scipy_##letter##geqrf_64_(&m_, &n_, a, &lda_, tau, work, &lwork_, &info_); \
        *info = (narrow)info_; \
    } \
    void scipy_##letter##gels_64_(char *, wide *, wide *, wide *, type *, wide *, type *, wide *, type *, wide *, wide *, \
                                  size_t); \
    void letter##gels_(char *trans, narrow *m, narrow *n, narrow *nrhs, type *a, narrow *lda, type *b, narrow *ldb, \
                       type *work, narrow *lwork, narrow *info) { \
        wide m_ = *m, n_ = *n, nrhs_ = *nrhs, lda_ = *lda, ldb_ = *ldb, lwork_ = *lwork, info_ = 0; \
        scipy_##letter##gels_64_(trans, &m_, &n_, &nrhs_, a, &lda_, b, &ldb_, work, &lwork_, &info_, 1); \
        *info = (narrow)info_; \
    } \
    void scipy_##letter##gesdd_64_(char *, wide *, wide *, type *, wide *, type *, type *, wide *, type *, wide *, type *, \
                                   wide *, wide *, wide *, size_t); \
    void letter##gesdd_(char *jobz, narrow *m, narrow *n, type *a, narrow *lda, type *s, type *u, narrow *ldu, type *vt, \
                        narrow *ldvt, type *work, narrow *lwork, narrow *iwork, narrow *info) { \
        wide m_ = *m, n_ = *n, lda_ = *lda, ldu_ = *ldu, ldvt_ = *ldvt, lwork_ = *lwork, info_ = 0; \
        wide *own = room(8 * least(m_, n_)); /* only worked in, never read by the caller */ \
        (void)iwork; \
        if (!own) { *info = NO_MEMORY; return; } \
        scipy_##letter##gesdd_64_(jobz, &m_, &n_, a, &lda_, s, u, &ldu_, vt, &ldvt_, work, &lwork_, own, &info_, 1); \
        free(own); \
        *info = (narrow)info_; \
    } \
    void scipy_##letter##gesv_64_(wide *, wide *, type *, wide *, wide *, type *, wide *, wide *); \
    void letter##gesv_(narrow *n, narrow *nrhs, type *a, narrow *lda, narrow *ipiv, type *b, narrow *ldb, narrow *info) { \
        wide n_ = *n, nrhs_ = *nrhs, lda_ = *lda, ldb_ = *ldb, info_ = 0, *rows = room(n_); \
        if (!rows) { *info = NO_MEMORY; return; } \
        scipy_##letter##gesv_64_(&n_, &nrhs_, a, &lda_, rows, b, &ldb_, &info_); \
        if (info_ >= 0) narrowed(ipiv, rows, n_); \
        free(rows); \
        *info = (narrow)info_; \
    } \
    void scipy_##letter##getrf_64_(wide *, wide *, type *, wide *, wide *, wide *); \
    void letter##getrf_(narrow *m, narrow *n, type *a, narrow *lda, narrow *ipiv, narrow *info) { \
        wide m_ = *m, n_ = *n, lda_ = *lda, info_ = 0, *rows = room(least(m_, n_)); \
        if (!rows) { *info = NO_MEMORY; return; } \
        scipy_##letter##getrf_64_(&m_, &n_, a, &lda_, rows, &info_); \
        if (info_ >= 0) narrowed(ipiv, rows, least(m_, n_)); \
        free(rows); \
        *info = (narrow)info_; \
    } \
    void scipy_##letter##posv_64_(char *, wide *, wide *, type *, wide *, type *, wide *, wide *, size_t); \
    void letter##posv_(char *uplo, narrow *n, narrow *nrhs, type *a, narrow *lda, type *b, narrow *ldb, narrow *info) { \
        wide n_ = *n, nrhs_ = *nrhs, lda_ = *lda, ldb_ = *ldb, info_ = 0; \
        scipy_##letter##posv_64_(uplo, &n_, &nrhs_, a, &lda_, b, &ldb_, &info_, 1); \
        *info = (narrow)info_; \
    } \
    void scipy_##letter##potrf_64_(char *, wide *, type *, wide *, wide *, size_t); \
    void letter##potrf_(char *uplo, narrow *n, type *a, narrow *lda, narrow *info) { \
        wide n_ = *n, lda_ = *lda, info_ = 0; \
        scipy_##letter##potrf_64_(uplo, &n_, a, &lda_, &info_, 1); \
        *info = (narrow)info_; \
    }

LAPACK(s, float)
LAPACK(d, double)

void scipy_dgeev_64_(char *, char *, wide *, double *, wide *, double *, double *, double *, wide *, double *, wide *,
                     double *, wide *, wide *, size_t, size_t);
void dgeev_(char *jobvl, char *jobvr, narrow *n, double *a, narrow *lda, double *wr, double *wi, double *vl, narrow *ldvl,
            double *vr, narrow *ldvr, double *work, narrow *lwork, narrow *info) {
    wide n_ = *n, lda_ = *lda, ldvl_ = *ldvl, ldvr_ = *ldvr, lwork_ = *lwork, info_ = 0;
    scipy_dgeev_64_(jobvl, jobvr, &n_, a, &lda_, wr, wi, vl, &ldvl_, vr, &ldvr_, work, &lwork_, &info_, 1, 1);
    *info = (narrow)info_;
}
