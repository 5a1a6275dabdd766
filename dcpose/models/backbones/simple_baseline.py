"""SimpleBaseline: ResNet and transposed convolutions (Xiao et al., ECCV 2018, arXiv 1804.06208).

The ResNet is torchvision's, with the stride on the 3x3 convolution of a bottleneck. Module names
are those of the official pose checkpoints and of torchvision's ImageNet files, so that both fit
as they are. Shape legend: N images, J joints, H x W pixels, both multiples of 32.

The official SimpleBaseline weights were trained on images in BGR order (mean and standard
deviation stay in the order of RGB), everything else here on RGB. Crops are RGB, so those weights
are a start for training, but give less than their published accuracy as they are.
"""

from typing import Literal, get_args

from torch import Tensor, nn

from dcpose.models.blocks import upsampling
from dcpose.models.interface import Backbone

Depth = Literal[18, 34, 50, 101, 152]

UPSAMPLINGS = 3


class SimpleBaseline(Backbone):
    """Images to joint heatmaps at a quarter of the resolution.

    The defaults are SimpleBaseline with ResNet-50 as published.

    Args:
        depth: of the ResNet; 18 and 34 have basic blocks, the others bottlenecks.
        num_joints: J, heatmaps to make.
        deconv_channels: channels of each of the three transposed convolutions.

    Raises:
        ValueError: for a depth that torchvision does not have.
    """

    stride = 4
    feature_stride = 4
    side_multiple = 32  # the stride of the ResNet

    def __init__(self, depth: Depth = 50, num_joints: int = 17, deconv_channels: int = 256) -> None:
        from torchvision.models import get_model  # slow to import: it pulls torch's compiler

        super().__init__()
        if depth not in get_args(Depth):
            depths = ", ".join(map(str, get_args(Depth)))
            raise ValueError(f"ResNet has a depth of {depths}, got {depth}")
        self.feature_channels = deconv_channels
        resnet = get_model(f"resnet{depth}", weights=None)
        self.conv1, self.bn1, self.relu = resnet.conv1, resnet.bn1, resnet.relu
        self.maxpool = resnet.maxpool
        self.layer1, self.layer2 = resnet.layer1, resnet.layer2
        self.layer3, self.layer4 = resnet.layer3, resnet.layer4

        layers: list[nn.Module] = []
        channels = resnet.fc.in_features
        for _ in range(UPSAMPLINGS):
            layers += upsampling(channels, deconv_channels)
            channels = deconv_channels
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(deconv_channels, num_joints, 1)

    def features(self, images: Tensor) -> Tensor:
        """Return what the transposed convolutions give, (N, C, H / 4, W / 4); see `Backbone`."""
        self.check_sides(images)
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.deconv_layers(x)
