/** What parts of the loader have in common in a prom-client registry that they share with the host, and with each other. */
import type { Counter, Metric, Registry } from "prom-client";

/** The metric of that name in `registry`, made there by whoever asks first. */
export function ownMetric<M extends Metric>(registry: Registry, name: string, make: (name: string) => M): M {
  const existing = registry.getSingleMetric(name);
  if (existing !== undefined) return existing as M;
  const metric = make(name);
  registry.registerMetric(metric);
  return metric;
}

/** Each value of the label starts at 0: a counter that is born at 1 never fires an `increase()` alert. */
export function preset<L extends string>(counter: Counter<L>, label: L, values: readonly string[]): Counter<L> {
  for (const value of values) counter.inc({ [label]: value } as Record<L, string>, 0);
  return counter;
}

/** Made once a registry, and kept as long as that lives. */
export function oncePerRegistry<F>(make: (registry: Registry) => F): (registry: Registry) => F {
  const made = new WeakMap<Registry, F>();
  return (registry) => {
    const known = made.get(registry);
    if (known !== undefined) return known;
    const family = make(registry);
    made.set(registry, family);
    return family;
  };
}
