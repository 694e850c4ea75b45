export interface Kernel {
  readonly name: string;
  readonly source: string;
  readonly program: string;
  readonly args: (source: string, out: string) => string[];
  readonly text: (bytes: Buffer) => string;
}

export const KERNELS: readonly Kernel[];
export function build(kernel: Kernel, program: string, env?: Record<string, string>): Promise<string>;
export function committed(kernel: Kernel): Promise<string>;
