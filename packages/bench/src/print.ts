/** One line for whoever reads along. */
export const print = (line = ""): void => void process.stdout.write(`${line}\n`)
