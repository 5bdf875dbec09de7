#include "separatrix/nn/block.h"

namespace separatrix {

void register_attention(Registry<Block>& blocks);
void register_mlp(Registry<Block>& blocks);
void register_identity(Registry<Block>& blocks);
void register_lstm(Registry<Block>& blocks);
void register_rnn(Registry<Block>& blocks);
void register_gru(Registry<Block>& blocks);
void register_rwkv_time_mix(Registry<Block>& blocks);
void register_rwkv_channel_mix(Registry<Block>& blocks);
void register_aaren(Registry<Block>& blocks);
void register_conv(Registry<Block>& blocks);
void register_mamba(Registry<Block>& blocks);
void register_s4d(Registry<Block>& blocks);
void register_dss(Registry<Block>& blocks);
void register_retention(Registry<Block>& blocks);
void register_linear_attention(Registry<Block>& blocks);
void register_delta_net(Registry<Block>& blocks);

void register_blocks(Registry<Block>& blocks) {
  register_attention(blocks);
  register_mlp(blocks);
  register_identity(blocks);
  register_lstm(blocks);
  register_rnn(blocks);
  register_gru(blocks);
  register_rwkv_time_mix(blocks);
  register_rwkv_channel_mix(blocks);
  register_aaren(blocks);
  register_conv(blocks);
  register_mamba(blocks);
  register_s4d(blocks);
  register_dss(blocks);
  register_retention(blocks);
  register_linear_attention(blocks);
  register_delta_net(blocks);
}

}  // namespace separatrix
