/* SPDX-License-Identifier: MIT */
/* sfshm-exporter(8): shows over HTTP what the host's sfshmd does. */
#include "libclient/exporter/listen.h"
#include "libclient/exporter/options.h"
#include "libclient/exporter/serve.h"
#include "shm/process/process.h"

int main(int argc, char *argv[]) {
        struct options options;
        struct listen listen;
        int status;

        process_begin();
        serve_hold_signals();
        status = options_read(&options, argc, argv);
        if (status == 0 && !options.done)
                status = listen_open(&listen, options.listen);
        if (status != 0 || options.done)
                return status;
        status = serve(&listen, &options.target);
        listen_close(&listen);
        return status;
}
