// SIP's timers (RFC 3261 table 4, RFC 6026 §7). All of them follow from T1, T2 and T4.

/** The round trip that is assumed. */
export const T1_MS = 500;
/** The longest pause between retransmissions of non-INVITE requests and INVITE responses. */
export const T2_MS = 4000;
/** How long a message stays in the network. */
export const T4_MS = 5000;

/** Timers B, F, H, J, L and M, and the wait for the end of an INVITE that was cancelled. */
export const TRANSACTION_MS = 64 * T1_MS;
/** Timer D over UDP: at least 32 s. */
export const TIMER_D_MS = 32_000;

/** RFC 3261 §17.2.1: nothing was sent for so long: 100 Trying. */
export const TRYING_AFTER_MS = 200;
/** RFC 4320 §4.1: the moment at which a client's timer E reaches T2; before it, no 100. */
export const LATE_TRYING_AFTER_MS = T1_MS + 2 * T1_MS + 4 * T1_MS;
