/** What the histogram shows where nothing happens at all. */
export default function setUp({ sha256, ms }) {
  const round = () => new Promise((resolve) => setTimeout(() => { resolve({ sha256 }); }, ms));
  return { round, watchLoop: true };
}
