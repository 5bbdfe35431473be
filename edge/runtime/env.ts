// The environment and the program itself, as this process sees them.

export type Environment = Readonly<Record<string, string | undefined>>;

export const environment = (): Environment => ({ ...process.env });

/** Arguments after the script's name. */
export const commandLine = (): string[] => process.argv.slice(2);

/** How to start another process of this program: the runtime and the main script. */
export const ownProgram = (mainPath: string): string[] => [process.execPath, "run", mainPath];

export const ownPid = (): number => process.pid;
export const workingDir = (): string => process.cwd();
export const isTerminal = (stream: "stdout" | "stderr"): boolean => process[stream].isTTY === true;
export const cpuCount = (): number => navigator.hardwareConcurrency;
