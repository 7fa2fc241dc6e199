import { expect, test } from 'vitest';
import { Gate } from '../../../src/worker/gate.ts';

const nextTask = () => new Promise((resolve) => setImmediate(resolve));

test('who is refused is refused at once, and who is inside is waited for', async () => {
  const gate = new Gate();
  let leave = () => {};
  const inside = gate.read(
    () =>
      new Promise<void>((resolve) => {
        leave = resolve;
      }),
  );
  gate.refuse(new Error('gone'));
  // What waits in a queue to be alone looks before it begins.
  expect(() => gate.check()).toThrow('gone');
  await expect(gate.read(async () => 1)).rejects.toThrow('gone');
  await expect(gate.alone(async () => 1)).rejects.toThrow('gone');
  let isEmpty = false;
  const emptied = gate.emptied().then(() => {
    isEmpty = true;
  });
  await nextTask();
  expect(isEmpty).toBe(false);
  leave();
  await Promise.all([inside, emptied]);
  await gate.emptied();
});

test('whoever wants to be alone waits for those inside, and those who come wait for him', async () => {
  const gate = new Gate();
  const order: string[] = [];
  const reading = gate.read(async () => {
    for (let i = 0; i < 3; i++) await nextTask();
    order.push('read');
  });
  const alone = gate.alone(async () => {
    await nextTask();
    order.push('alone');
  });
  const late = gate.read(async () => {
    order.push('late');
  });
  await Promise.all([reading, alone, late]);
  expect(order).toEqual(['read', 'alone', 'late']);
});
