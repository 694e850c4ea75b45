/** Sizes and durations as people read them. */

const STEPS = ["bytes", "kB", "MB", "GB", "TB", "PB"] as const;

/** Powers of 1000, as disks are sold and as file managers show them. */
export function sizeText(bytes: number): string {
  let size = bytes;
  let step = 0;
  while (size >= 999.5 && step < STEPS.length - 1) {
    size /= 1000;
    step += 1;
  }
  return `${step === 0 ? size : size.toPrecision(3)} ${STEPS[step] ?? ""}`;
}

export function secondsText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
