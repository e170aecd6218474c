"""Model folders that cannot be taken, laid out as they are published: each is refused by name, with what to do instead."""
import json
import os

from harness import ProgramTest, main, make_model
from text_model import make_joint_model, make_text_model, write_json, write_safetensors

FOLDERS = [
    # name, config.json, other files, tensors of model.safetensors (or of the file named first), what is said
    ("roberta-base", {"model_type": "roberta"}, [], ["x"], ["model_type roberta", "take a bert checkpoint"]),
    ("swin-tiny", {"model_type": "swin"}, [], ["x"], ["model_type swin", "within windows", "vit, deit or dinov2"]),
    ("gptq", {"model_type": "llama", "quantization_config": {"quant_method": "gptq", "bits": 4}}, [], ["x"], ["quantized", "take the one it was made from"]),
    ("awq", {"model_type": "qwen2", "quantization_config": {"quant_method": "awq", "w_bit": 4}}, [], ["x"], ["quantized", "take the one it was made from"]),
    ("bitsandbytes", {"model_type": "t5", "quantization_config": {"load_in_8bit": True, "quant_method": "bitsandbytes"}}, [], ["x"], ["quantized", "take the one it was made from"]),
    ("lora", None, ["adapter_config.json"], ["adapter_model.safetensors", "base_model.model.lora_A.weight"], ["adapter_model.safetensors", "merge_and_unload"]),
    ("lora-beside-a-config", {"model_type": "llama"}, ["adapter_config.json"], ["adapter_model.safetensors", "base_model.model.lora_A.weight"], ["adapter", "merge_and_unload"]),
    ("pickle", {"model_type": "bart"}, ["pytorch_model.bin"], None, ["pytorch_model.bin", "save_pretrained"]),
    ("pickle-shards", {"model_type": "t5"}, ["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"], None, ["pytorch_model", "save_pretrained"]),
    ("timm", {"architecture": "vit_base_patch16_224", "pretrained_cfg": {}}, [], ["blocks.0.attn.qkv.weight"], ["timm's", "transformers version"]),
    ("timm-names", {"model_type": "vit"}, [], ["blocks.0.attn.qkv.weight", "patch_embed.proj.weight"], ["timm's names", "transformers version"]),
    ("open_clip", None, ["open_clip_config.json"], ["open_clip_model.safetensors", "visual.conv1.weight"], ["open_clip", "transformers version"]),
    ("open_clip-names", {"model_type": "clip", "vision_config": {}}, [], ["visual.conv1.weight"], ["open_clip's names", "transformers version"]),
    ("meta", None, ["consolidated.00.pth", "params.json"], None, ["no config.json", "save_pretrained"]),
    ("gguf", None, ["model.Q4_K_M.gguf"], None, ["no config.json", "GGUF"]),
    ("unnamed", None, [], ["weights.safetensors", "x"], ["no config.json (found weights.safetensors)", "Hugging Face"]),
    ("empty", None, [], None, ["no config.json", "Hugging Face"]),
]


class WrongFolders(ProgramTest):
    def test_each(self):
        for name, config, others, tensors, says in FOLDERS:
            folder = self.path(name)
            os.makedirs(folder)
            if config is not None:
                write_json(folder, "config.json", config)
            for other in others:
                self.write(os.path.join(name, other), "{}")
            if tensors:
                file = tensors[0] if tensors[0].endswith(".safetensors") else "model.safetensors"
                write_safetensors(os.path.join(folder, file), {t: ([1], [0.0]) for t in tensors if t != file})
            with self.subTest(name):
                self.refused(3, "info", "--model", name, says=says)


class Info(ProgramTest):
    def info(self, folder):
        text = self.ok("info", "--model", folder).stdout
        return json.loads(self.ok("info", "--model", folder, "--json").stdout), dict((line[:12].strip(), line[13:]) for line in text.splitlines() if line[0] != " ")

    def test_what_is_said_of_a_text_model(self):
        make_text_model(self.path("model"))
        json_, table = self.info("model")
        self.assertEqual((json_["family"], json_["special_tokens"], json_["context"], json_["unused"]), ("llama", ["<s>", "</s>"], 160, []))
        self.assertEqual((table["family"], table["special"], table["context"]), ("llama (text)", "<s>, </s>", "160 tokens"))
        self.assertIn(" of ", table["memory"])
        self.assertEqual(int(table["parameters"]), json_["parameters"])

    def test_what_is_said_of_an_encoder_decoder(self):
        make_joint_model(self.path("model"), "t5")
        json_, table = self.info("model")
        self.assertEqual((json_["layers"], json_["encoder_layers"]), (2, 2))
        self.assertEqual((table["encoder"], table["decoder"], table["special"]), ("2", "2, explained layers 2 to 3", "<s>, </s>"))

    def test_what_is_said_of_a_vision_model(self):
        make_model(self.path("model"), "--family", "dinov2_with_registers", "--heads", 4)
        json_, table = self.info("model")
        self.assertEqual((json_["family"], json_["special_tokens"], json_["grid_rows"]), ("dinov2_with_registers", ["CLS", "register", "register"], 3))
        self.assertEqual((table["special"], table["grid"], table["tokens"]), ("CLS, register, register", "3 x 3 patches of 4 pixels", "12"))


if __name__ == "__main__":
    main()
