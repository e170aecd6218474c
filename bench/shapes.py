"""The models that are measured, of random weights, and what running them takes. Imported by the benches beside it.

Seconds are of the process (user and system, all threads, so that another load on the machine counts little) where a CPU is the device;
of a GPU they are what the program says it waited."""
import json
import os
import resource
import subprocess
import sys

SHAPES = {  # layers, width, heads, MLP, patch, image; of decoders (llama) the tokens instead of an image
    "b32": (12, 768, 12, 3072, 32, 224),
    "b16": (12, 768, 12, 3072, 16, 224),
    "l14": (24, 1024, 16, 4096, 14, 224),
    "l14@336": (24, 1024, 16, 4096, 14, 336),
    "s8": (12, 384, 6, 1536, 8, 224),
    "decoder-0.1b": (12, 768, 12, 3072, 0, 512),
    "decoder-1b": (16, 2048, 32, 8192, 0, 512),
}


def is_decoder(name):
    return SHAPES[name][4] == 0


def tokens_of(name):
    patch, image = SHAPES[name][4:]
    return image if is_decoder(name) else (image // patch) ** 2 + 1


def child(command, **environment):
    """(what it prints, CPU seconds)"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run(command, stdout=subprocess.PIPE, env={**os.environ, **environment})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ran.returncode:
        sys.exit(f"{' '.join(command)}: exit {ran.returncode}")
    return ran.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def make_model(build, name):
    layers, width, heads, mlp, patch, image = SHAPES[name]
    folder = f"{build}/bench-models/{name}"
    if not os.path.exists(f"{folder}/model.safetensors"):
        os.makedirs(folder, exist_ok=True)
        of_family = {"--patch": patch, "--image": image}
        if is_decoder(name):
            of_family = {"--family": "llama", "--dtype": "BF16", "--head-dim": 64, "--tokens": image, "--context": image, "--vocabulary": 1000}
        numbers = {"--layers": layers, "--width": width, "--heads": heads, "--mlp": mlp, **of_family}
        child([f"{build}/tests/make_model", folder, *(str(word) for pair in numbers.items() for word in pair)])
    return folder


def same_inputs(folder, count):
    """The model's input under several names: each is explained on its own."""
    paths = [f"{folder}/input.npy"] + [f"{folder}/input-{i}.npy" for i in range(1, count)]
    for path in paths[1:]:
        if not os.path.exists(path):
            os.link(paths[0], path)
    return paths


def explain(build, folder, targets, *flags, inputs=1):
    """([what it says of each input], CPU seconds of the run). Of a decoder the last targets are explained, which see most."""
    name = os.path.basename(folder)
    first = tokens_of(name) - targets if is_decoder(name) else 0
    command = [f"{build}/ultravk", "explain", "--quiet", "--json", "--model", folder, *same_inputs(folder, inputs), "--tokens",
               f"{first}-{first + targets - 1}" if targets > 1 else str(first), *map(str, flags)]
    out, seconds = child(command)
    return [json.loads(line) for line in out.splitlines()], seconds


def is_cpu(told):
    return "llvmpipe" in told["device"] or "SwiftShader" in told["device"]


def device_seconds(told):
    return told["seconds_forward"] + told["seconds_backward"]
