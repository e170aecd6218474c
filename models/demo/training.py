"""The optimiser of both models: Muon for the matrices inside blocks, AdamW for all else, one warm-up and cosine schedule.

Muon replaces the momentum of a matrix's gradient by the nearest matrix with equal singular values, found by a few Newton-Schulz
steps. Directions that a plain gradient neglects are learned as fast as the strongest one, which shortens the plateau before such
small models begin to copy words or to see textures; what that costs is a few per cent of a step.
"""
import math

import torch

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalised(gradient, steps=5):
    tall = gradient.shape[0] > gradient.shape[1]
    x = gradient.t() if tall else gradient
    x = x / (x.norm() + 1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(steps):
        square = x @ x.t()
        x = a * x + (b * square + c * square @ square) @ x
    return x.t() if tall else x


class Optimiser:
    def __init__(self, parameters, steps, matrix_rate=0.02, rate=2e-3, momentum=0.95, decay=0.02):
        self.matrices = [p for name, p in parameters.items() if p.dim() == 2 and "layer" in name]
        others = [p for name, p in parameters.items() if not (p.dim() == 2 and "layer" in name)]
        self.adam = torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
        self.everything = list(parameters.values())
        self.velocities = [torch.zeros_like(p) for p in self.matrices]
        self.steps, self.matrix_rate, self.rate, self.momentum, self.decay, self.step_number = steps, matrix_rate, rate, momentum, decay, 0

    def factor(self):
        """Linear warm-up, then half a cosine down to 2%."""
        warm = min(100, self.steps // 10 + 1)
        return min((self.step_number + 1) / warm, 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.step_number / self.steps)))

    def step(self, loss):
        for p in self.everything:
            p.grad = None
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.everything, 1.0)
        factor = self.factor()
        self.adam.param_groups[0]["lr"] = self.rate * factor
        self.adam.step()
        with torch.no_grad():
            for p, velocity in zip(self.matrices, self.velocities):
                velocity.mul_(self.momentum).add_(p.grad)
                update = orthogonalised(p.grad + self.momentum * velocity)
                rate = self.matrix_rate * factor
                p.mul_(1 - rate * self.decay).add_(update, alpha=-rate * max(1, p.shape[0] / p.shape[1]) ** 0.5)
        self.step_number += 1
