/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/etcd/base64.h"

/* RFC 4648, section 10. Red when the padding is counted as data. */
Test(base64, there_and_back) {
        static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
                                                { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
                                                { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };

        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
                char *text = base64_encode(pairs[i][0], strlen(pairs[i][0]));
                char *back = base64_decode(pairs[i][1], strlen(pairs[i][1]));

                cr_expect_str_eq(text, pairs[i][1]);
                cr_expect_str_eq(back, pairs[i][0]);
                free(text);
                free(back);
        }
}

Test(base64, every_byte) {
        char bytes[255], *text, *back;

        for (int i = 0; i < 255; i++)
                bytes[i] = (char)(i + 1); /* a NUL would end the text */
        text = base64_encode(bytes, sizeof(bytes));
        back = base64_decode(text, strlen(text));
        cr_assert_arr_eq(back, bytes, sizeof(bytes));
        cr_assert_eq(back[255], '\0');
        free(text);
        free(back);
}

/* etcd's gateway takes and gives the standard alphabet, padded, and nothing else. */
Test(base64, what_is_none_is_refused) {
        static const char *const bad[] = { "Zg", "Zg=", "Zm8", "Z===", "====", "Zm9v====", "Zg==Zg==",
                                           "Zm9-", "Zm9_", "Zm9 ", "Zm9v\n", "Z=m8", "\xff\xff\xff\xff" };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char *bytes = base64_decode(bad[i], strlen(bad[i]));

                cr_expect_null(bytes, "\"%s\"", bad[i]);
                free(bytes);
        }
}
