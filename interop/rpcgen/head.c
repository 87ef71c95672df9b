/*
 * The part of the program that is written by hand: encoding with rpcgen's functions and printing hex, and messages
 * whose values stand here in C and in tests/xdr_rpcgen.rs in Rust. That test writes the rest behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ndmp.h"

static void print(const char *label, xdrproc_t encode, void *value)
{
    static char buffer[65536];
    XDR xdrs;
    xdrmem_create(&xdrs, buffer, sizeof buffer, XDR_ENCODE);
    if (!encode(&xdrs, value)) {
        fprintf(stderr, "%s: rpcgen's code does not encode it\n", label);
        exit(1);
    }
    printf("%s ", label);
    for (u_int at = 0, end = xdr_getpos(&xdrs); at < end; at++)
        printf("%02x", (unsigned char)buffer[at]);
    putchar('\n');
}

/* Every scalar and every kind of member occurs in these with values that tell its bytes apart. */
static void by_hand(void)
{
    static ndmp4_header header = { 1, 0x01020304, NDMP4_MESSAGE_REPLY, NDMP4_MOVER_GET_STATE, 7, NDMP4_IO_ERR };
    print("header", (xdrproc_t)xdr_ndmp4_header, &header);

    static ndmp4_connect_client_auth_request text;
    text.auth_data.auth_type = NDMP4_AUTH_TEXT;
    text.auth_data.ndmp4_auth_data_u.auth_text.auth_id = "someone";
    text.auth_data.ndmp4_auth_data_u.auth_text.auth_password = "a secret";
    print("auth text", (xdrproc_t)xdr_ndmp4_connect_client_auth_request, &text);

    static ndmp4_connect_client_auth_request md5;
    md5.auth_data.auth_type = NDMP4_AUTH_MD5;
    md5.auth_data.ndmp4_auth_data_u.auth_md5.auth_id = "me";
    memcpy(md5.auth_data.ndmp4_auth_data_u.auth_md5.auth_digest, "0123456789abcdef", 16);
    print("auth MD5", (xdrproc_t)xdr_ndmp4_connect_client_auth_request, &md5);

    static ndmp4_pval capability[] = { { "EXECUTE_CDB", "b" }, { "SERIAL_NUMBER", "" } };
    static ndmp4_device_capability drive = { "vault_drive0", NDMP4_TAPE_ATTR_UNLOAD, { 2, capability } };
    static ndmp4_device_info model = { "TAPESILO", { 1, &drive } };
    static ndmp4_config_get_tape_info_reply tapes = { NDMP4_NO_ERR, { 1, &model } };
    print("tape info", (xdrproc_t)xdr_ndmp4_config_get_tape_info_reply, &tapes);

    static u_short versions[] = { 1, 0xfffe };
    static ndmp4_class_list class = { 0x2051, { 2, versions } };
    static ndmp4_config_get_ext_list_reply extensions = { NDMP4_NO_ERR, { 1, &class } };
    print("extensions", (xdrproc_t)xdr_ndmp4_config_get_ext_list_reply, &extensions);

    static ndmp4_scsi_get_state_reply bus = { NDMP4_NO_ERR, -1, 0x1234, -32768 };
    print("scsi state", (xdrproc_t)xdr_ndmp4_scsi_get_state_reply, &bus);

    static ndmp4_execute_cdb_reply outcome
        = { NDMP4_NO_ERR, 0xfe, 0x0a0b0c0d, { 5, "\1\2\3\4\5" }, { 3, "\160\0\2" } };
    print("cdb reply", (xdrproc_t)xdr_ndmp4_execute_cdb_reply, &outcome);

    static ndmp4_tape_get_state_reply tape
        = { 0x22, NDMP4_DEV_NOT_OPEN_ERR, 0x18, 3, 4, 0x10000, 7, { 0x11223344, 0x55667788 }, { 0, 0x99aabbcc } };
    print("tape state", (xdrproc_t)xdr_ndmp4_tape_get_state_reply, &tape);

    static ndmp4_tcp_addr address = { 0x7f000001, 20000, { 1, capability } };
    static ndmp4_mover_get_state_reply mover = { NDMP4_NO_ERR, NDMP4_MOVER_MODE_WRITE, NDMP4_MOVER_STATE_PAUSED,
        NDMP4_MOVER_PAUSE_EOW, NDMP4_MOVER_HALT_MEDIA_ERROR, 0xfc00, 17, { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 8 },
        { 0xffffffff, 0xfffffffe } };
    mover.data_connection_addr.addr_type = NDMP4_ADDR_TCP;
    mover.data_connection_addr.ndmp4_addr_u.tcp_addr.tcp_addr_len = 1;
    mover.data_connection_addr.ndmp4_addr_u.tcp_addr.tcp_addr_val = &address;
    print("mover state", (xdrproc_t)xdr_ndmp4_mover_get_state_reply, &mover);

    static ndmp4_log_message_post log = { NDMP4_LOG_WARNING, 9, "caf\351", NDMP4_HAS_ASSOCIATED_MESSAGE, 12 };
    print("log message", (xdrproc_t)xdr_ndmp4_log_message_post, &log);

    static ndmp3_tape_get_state_reply tape3
        = { 0x42, NDMP4_NO_ERR, 0x18, 3, 4, 0x10000, 7, { 0x11223344, 0x55667788 }, { 0, 0x99aabbcc }, 0xfffffffe };
    print("tape state 3", (xdrproc_t)xdr_ndmp3_tape_get_state_reply, &tape3);

    static ndmp3_mover_get_state_reply mover3 = { NDMP4_NO_ERR, NDMP4_MOVER_STATE_PAUSED, NDMP3_MOVER_PAUSE_MEDIA_ERROR,
        NDMP4_MOVER_HALT_ABORTED, 0xfc00, 17, { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 8 }, { 0xffffffff, 0xfffffffe } };
    mover3.data_connection_addr.addr_type = NDMP3_ADDR_TCP;
    mover3.data_connection_addr.ndmp3_addr_u.tcp_addr.ip_addr = 0x7f000001;
    mover3.data_connection_addr.ndmp3_addr_u.tcp_addr.port = 20000;
    print("mover state 3", (xdrproc_t)xdr_ndmp3_mover_get_state_reply, &mover3);

    static ndmp4_auth_type ways[] = { NDMP4_AUTH_MD5, NDMP4_AUTH_TEXT };
    static ndmp2_config_get_host_info_reply host2 = { NDMP4_NO_ERR, "silo", "Linux", "6", "ab12", { 2, ways } };
    print("host info 2", (xdrproc_t)xdr_ndmp2_config_get_host_info_reply, &host2);
}

