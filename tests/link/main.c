/* SPDX-License-Identifier: BSD-3-Clause */
/* Linking is the test; see meson.build. */
int main(void)
{
	return 0;
}
