/* SPDX-License-Identifier: BSD-3-Clause */
#include "cni_error.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "one_line.h"

int cni_fail(struct cni_error *error, enum cni_code code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
	one_line(error->text, sizeof(error->text));
	error->code = (int)code;
	return error->code;
}

void cni_error_json(const struct cni_error *error, const char *version, char *text, unsigned int size)
{
	json_t *json = json_pack("{s:s, s:i, s:s}", "cniVersion", version, "code", error->code, "msg", error->text);
	char *line = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

	/* A text that is not UTF-8 (a part of the environment) makes no JSON: the code says it then. */
	if (line != NULL)
		snprintf(text, size, "%s\n", line);
	else
		snprintf(text, size, "{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"see standard error\"}\n", version,
			 error->code);
	free(line);
	json_decref(json);
}
