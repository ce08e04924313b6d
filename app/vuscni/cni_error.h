/* SPDX-License-Identifier: BSD-3-Clause */
/* cni_error.h: errors as the CNI specification has them: a number, and one line that says what, where and how to mend it.
 *
 * Context: the one thread of vuscni.
 * Returns: 0, or the code, so that `return cni_fail(...)` reads well.
 */
#ifndef VUSCNI_CNI_ERROR_H
#define VUSCNI_CNI_ERROR_H

/* "Well-known Error Codes" of the specification, and those of STATUS. */
enum cni_code {
	CNI_INCOMPATIBLE_VERSION = 1,
	CNI_UNSUPPORTED_FIELD = 2,
	CNI_UNKNOWN_CONTAINER = 3,
	CNI_INVALID_ENVIRONMENT = 4,
	CNI_IO_FAILURE = 5,
	CNI_DECODE_FAILURE = 6,
	CNI_INVALID_CONFIG = 7,
	CNI_TRY_AGAIN = 11,
	CNI_NOT_AVAILABLE = 50,
	/* From 100 on they are the plugin's own. */
	CNI_SWITCH_REFUSED = 100,
	CNI_CHECK_FAILED = 101,
	CNI_IPAM_FAILED = 102,
};

struct cni_error {
	int code;
	char text[1024];
};

int cni_fail(struct cni_error *error, enum cni_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The JSON object of it, a line, as standard output takes it; `text` as much of it as fits. */
void cni_error_json(const struct cni_error *error, const char *version, char *text, unsigned int size);

#endif
