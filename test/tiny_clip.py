"""A real CLIP of transformers, tiny, that knows three colours: taught here in seconds, saved as any other is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200)}
SIDE, STEPS, BEGIN, END = 32, 120, 1, 2
VOCABULARY = {word: number for number, word in enumerate(["[PAD]", "[BEGIN]", "[END]", "[UNK]", "a", "box", *COLOURS])}


def picture(colour: str, random: np.random.Generator, height: int = 24, width: int = 32) -> np.ndarray:
    """A box of a colour somewhere on grey: (height, width, 3) uint8 RGB."""
    rgb = random.integers(90, 150, (height, width, 3), dtype=np.uint8)
    y, x = random.integers(0, height - 12), random.integers(0, width - 12)
    shade = random.uniform(0.8, 1.2)
    rgb[y : y + 12, x : x + 12] = np.clip(np.array(COLOURS[colour]) * shade, 0, 255).astype(np.uint8)
    return rgb


def save(folder: Path) -> None:
    """Teach it and write model, tokenizer and configuration."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # it is too small for more
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = small | {"vocab_size": len(VOCABULARY), "max_position_embeddings": 8}
    text |= {"bos_token_id": BEGIN, "eos_token_id": END, "pad_token_id": 0}
    model = CLIPModel(
        CLIPConfig(text_config=text, vision_config=small | {"image_size": SIDE, "patch_size": 8}, projection_dim=16)
    )
    tokens = Tokenizer(WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokens.pre_tokenizer = Whitespace()
    special = [("[BEGIN]", BEGIN), ("[END]", END)]
    tokens.post_processor = TemplateProcessing(single="[BEGIN] $A [END]", special_tokens=special)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens, bos_token="[BEGIN]", eos_token="[END]", pad_token="[PAD]", unk_token="[UNK]"
    )
    ids = tokenizer([f"a {colour} box" for colour in COLOURS], return_tensors="pt")["input_ids"]
    optimiser = torch.optim.Adam(model.parameters(), 2e-3)
    for _ in range(STEPS):
        batch = np.stack([picture(colour, random, SIDE, SIDE) for colour in COLOURS for _ in range(8)])
        pixels = torch.from_numpy((batch / 255.0 - 0.5) / 0.5).float().permute(0, 3, 1, 2)
        logits = model(input_ids=ids, pixel_values=pixels).logits_per_image
        loss = torch.nn.functional.cross_entropy(logits, torch.arange(len(COLOURS)).repeat_interleave(8))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.set_num_threads(threads)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}')
