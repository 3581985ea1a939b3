"""Faults of the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfsuite.quality.faults.fault import Fault, entering
from perfsuite.quality.faults.surgery import override, override_output, text_layers

if TYPE_CHECKING:
    from perfsuite.pipelines.technique import Context

FAULTS: dict[str, Fault] = {}
fault = entering(FAULTS)


@fault("pooled-text-zero", "text_encoder_2", "the pooled output of the second text encoder is zero")
def _pooled_text_zero(pipe: Any, context: Context) -> None:
    pipe.text_encoder_2.text_projection.weight.data.zero_()


@fault("text-encoder-last-layer", "text_encoder", "the last layer's output stands for the last but one's")
def _text_encoder_last_layer(pipe: Any, context: Context) -> None:
    def change(output: Any) -> Any:
        states = output.hidden_states
        if states is not None:
            output.hidden_states = (*states[:-2], states[-1], states[-1])
        return output

    override_output(pipe.text_encoder, change)


@fault("causal-mask-lost", "text_encoder", "the words of a prompt also see the words after them")
def _causal_mask_lost(pipe: Any, context: Context) -> None:
    def change(original: Any, *args: Any, **kwargs: Any) -> Any:
        return original(*args[:1], **{**kwargs, "attention_mask": None, "is_causal": False})

    for layer in text_layers(pipe.text_encoder):
        override(layer.self_attn, "forward", change)


@fault("text-activation-wrong", "text_encoder_2", "quick GELU in place of GELU, or the reverse")
def _text_activation_wrong(pipe: Any, context: Context) -> None:
    from transformers.activations import ACT2FN

    encoder = pipe.text_encoder_2
    wrong = "gelu" if encoder.config.hidden_act == "quick_gelu" else "quick_gelu"
    for layer in text_layers(encoder):
        layer.mlp.activation_fn = ACT2FN[wrong]


@fault("text-bias-dropped", "text_encoder_2", "one linear layer of the second text encoder lost its bias")
def _text_bias_dropped(pipe: Any, context: Context) -> None:
    text_layers(pipe.text_encoder_2)[0].mlp.fc1.bias.data.zero_()
