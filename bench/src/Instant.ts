/** Milliseconds since 1970, like the machine's clock, but finer and never set back. */
export const now = (): number => performance.timeOrigin + performance.now()
