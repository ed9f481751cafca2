/* SPDX-License-Identifier: MIT */
#include "daemon/lease/etcd/base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *bytes, size_t size) {
        const uint8_t *in = bytes;
        char *text = size > SIZE_MAX / 2 ? NULL : malloc((size + 2) / 3 * 4 + 1), *out = text;

        for (size_t i = 0; text != NULL && i < size; i += 3) {
                size_t left = size - i;
                uint32_t group = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                                 (left > 2 ? in[i + 2] : 0);

                *out++ = alphabet[group >> 18];
                *out++ = alphabet[group >> 12 & 63];
                *out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
                *out++ = left > 2 ? alphabet[group & 63] : '=';
        }
        if (text != NULL)
                *out = '\0';
        return text;
}

/* What each character stands for; -1: it is none of the alphabet. */
static void make_values(int8_t values[256]) {
        memset(values, -1, 256);
        for (int8_t i = 0; i < 64; i++)
                values[(uint8_t)alphabet[i]] = i;
}

char *base64_decode(const char *text, size_t length) {
        size_t data = length, n = 0;
        int8_t values[256];
        char *bytes;

        while (data > 0 && length - data < 2 && text[data - 1] == '=')
                data--;
        bytes = length % 4 == 0 ? malloc(length / 4 * 3 + 1) : NULL;
        if (bytes == NULL)
                return NULL;
        make_values(values);
        for (size_t i = 0; i < data; i += 4) {
                uint32_t group = 0;

                for (size_t j = 0; j < 4; j++) {
                        int8_t value = i + j < data ? values[(uint8_t)text[i + j]] : 0;

                        if (value < 0) {
                                free(bytes);
                                return NULL;
                        }
                        group = group << 6 | (uint32_t)value;
                }
                for (size_t j = 0; j < 3; j++)
                        if (i + j + 1 < data)
                                bytes[n++] = (char)(group >> (16 - 8 * j));
        }
        bytes[n] = '\0';
        return bytes;
}
