"""Explanation rows by autograd, and the baselines they are compared with.

row(i) = e_i C(l-1) ... C(1), C(b) = I + mean over heads of relu(dA) * A, where dA is the gradient of the target's scalar with respect
to block b's attention probabilities. Targets are a batch: each copy of the input carries one, so one backward pass serves them all.
Every function returns [targets, tokens].
"""
import torch


def scalar_of(logits, stream, targets, kind, labels):
    """The sum over the batch of each target's scalar; the length that `sum` and `energy` are divided by is a constant."""
    each = torch.arange(len(targets))
    if kind == "logprob":
        return logits[each, targets].log_softmax(-1)[each, labels].sum()
    z = stream[each, targets]
    length = z.norm(dim=-1)
    return ((z.sum(-1) if kind == "sum" else length) / length.detach()).sum()


def repeat(x, targets):
    return x.expand(len(targets), *x.shape[1:])


def rows(net, x, targets, layer, kind, labels=None):
    logits, streams, attentions = net.forward(repeat(x, targets))
    f = scalar_of(logits, streams[layer - 1], targets, kind, labels)
    gradients = torch.autograd.grad(f, attentions[:layer - 1])
    row = torch.zeros(len(targets), 1, streams[0].shape[1])
    row[torch.arange(len(targets)), 0, targets] = 1
    for probabilities, gradient in zip(reversed(attentions[:layer - 1]), reversed(gradients)):
        row = row + row @ (probabilities.detach() * gradient.clamp(min=0)).mean(1)
    return row[:, 0]


def rollout_rows(net, x, targets, layer):
    """Raw attention rollout: the product of (mean attention + I) / 2."""
    with torch.no_grad():
        _, _, attentions = net.forward(x)
        product = torch.eye(attentions[0].shape[-1])
        for probabilities in attentions[:layer - 1]:
            product = 0.5 * (probabilities[0].mean(0) @ product + product)
    return product[targets]


def gradient_x_input_text(net, ids, targets, layer, kind, labels):
    embedded = net.embed(repeat(ids, targets)).detach().requires_grad_(True)
    logits, streams, _ = net.forward(None, embedded)
    gradient, = torch.autograd.grad(scalar_of(logits, streams[layer - 1], targets, kind, labels), embedded)
    return (gradient * embedded.detach()).sum(-1).abs()


def gradient_x_input_image(net, images, targets, layer, kind):
    """Per patch, with a zero for CLS, so that columns are tokens as everywhere."""
    images = repeat(images, targets).clone().requires_grad_(True)
    logits, streams, _ = net.forward(images)
    gradient, = torch.autograd.grad(scalar_of(logits, streams[layer - 1], targets, kind, None), images)
    product = torch.nn.functional.unfold(gradient * images.detach(), net.config["patch_size"], stride=net.config["patch_size"])
    return torch.cat([torch.zeros(len(images), 1), product.sum(1).abs()], 1)


def own_token_to_maximum(rows_of_patches, own):
    """rows [T, patches], own [T]: each target's own entry becomes the maximum of the others."""
    fixed = rows_of_patches.clone()
    each = torch.arange(len(own))
    fixed[each, own] = 0
    fixed[each, own] = fixed.max(1).values
    return fixed


def scaled(values):
    """Min-max scaling of each row; a constant row becomes zero."""
    low, high = values.min(1, keepdim=True).values, values.max(1, keepdim=True).values
    return torch.where(high > low, (values - low) / (high - low).clamp(min=1e-30), torch.zeros_like(values))


def average_precision(scores, truth):
    """Area under the precision-recall curve, step by step; equal scores enter together."""
    order = torch.argsort(scores, descending=True)
    scores, hits = scores[order], truth[order].double().cumsum(0)
    last_of_tie = torch.ones(len(scores), dtype=torch.bool)
    last_of_tie[:-1] = scores[1:] != scores[:-1]
    precision = (hits / torch.arange(1, len(hits) + 1))[last_of_tie]
    recall = hits[last_of_tie] / hits[-1]
    return (precision * torch.diff(recall, prepend=torch.zeros(1, dtype=recall.dtype))).sum().item()
