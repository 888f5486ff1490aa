//! A graph with its values on a device.

use std::cell::{Ref, RefCell};

use anyhow::Result;
use artifact::tensors::{self, Tensors};
use candle_core::Storage;
use graph::group::{self, Group, Walk};
use graph::op::BatchNorm;
use graph::{Graph, Node, Op, Param, Role};
use kernels::conv::Sparse;
use kernels::conv::grouped::Grouped;
use kernels::{LANES, Lanes, conv, norm};
use sparsity::Masks;

use crate::choice::{self, Choice};
use crate::layout::Order;
use crate::ops::{Copy, apply};
use crate::rounding::Rounded;
use crate::workspace::Workspace;
use crate::{Device, Tensor, sizes};

/// A network that can run.
pub struct Net {
    graph: Graph,
    values: Vec<Tensor>,
    first: Vec<usize>,
    readers: Vec<usize>,
    groups: Vec<Group>,
    /// What stands for scale and shift of batch norms without them.
    identities: Vec<Option<[Tensor; 2]>>,
    workspace: Workspace,
    /// The layers of which a mask keeps so little that skipping the rest pays.
    sparse: Vec<Option<RefCell<Layer>>>,
    /// What is rounded in training for integers.
    pub(crate) rounded: Option<Rounded>,
    /// On a GPU, what its kernels read instead of a parameter: rounded to activations, or with rows
    /// as long as the images'.
    #[cfg(feature = "cuda")]
    copies: crate::copies::Copies,
    /// Images on a GPU.
    #[cfg(feature = "cuda")]
    pub(crate) residents: RefCell<Vec<std::rc::Rc<crate::resident::Resident>>>,
    device: Device,
}

/// A layer's kept weights.
pub(crate) struct Layer {
    pub choice: Choice,
    pub sparse: Sparse,
}

impl Net {
    /// The network with values before training.
    pub fn initial(graph: Graph, seed: u64, device: &Device) -> Result<Self> {
        let values = graph::initial(&graph, seed);
        Self::build(graph, values, device)
    }

    /// The network with the values of a checkpoint that was checked against the graph's table.
    ///
    /// # Panics
    /// If a tensor of the table is missing or is not f32.
    pub fn load(graph: Graph, tensors: &Tensors, device: &Device) -> Result<Self> {
        let values = checked(&graph, tensors);
        Self::build(graph, values, device)
    }

    fn build(graph: Graph, values: Vec<Vec<f32>>, device: &Device) -> Result<Self> {
        let values = on_device(&graph, values, device)?;
        if device.is_cpu() {
            inference::tell_plain(&graph);
        }
        let count = graph.nodes().len();
        let first = (0..count)
            .map(|n| graph.params().iter().position(|p| p.node == n).unwrap_or(usize::MAX))
            .collect();
        let readers = (0..count)
            .map(|n| graph.nodes().iter().flat_map(|m| &m.inputs).filter(|i| **i == n).count())
            .collect();
        #[cfg(feature = "cuda")]
        let copies = crate::copies::Copies::new(&graph, &values, device)?;
        Ok(Self {
            groups: group::groups(&graph, Walk::Training),
            identities: identities(&graph, device)?,
            workspace: Workspace::default(),
            sparse: (0..count).map(|_| None).collect(),
            rounded: None,
            graph,
            values,
            first,
            readers,
            #[cfg(feature = "cuda")]
            copies,
            #[cfg(feature = "cuda")]
            residents: RefCell::default(),
            device: device.clone(),
        })
    }

    /// Replaces all values by those of a checkpoint of the same network.
    ///
    /// # Panics
    /// As [`Self::load`].
    pub fn set(&mut self, tensors: &Tensors) -> Result<()> {
        self.values = on_device(&self.graph, checked(&self.graph, tensors), &self.device)?;
        #[cfg(feature = "cuda")]
        self.copies.refresh(&self.graph, &self.values, &self.device)?;
        Ok(())
    }

    /// Says which weights are and stay zero, so that training may skip them. What is skipped is
    /// decided layer by layer, by measurement; a GPU skips none.
    pub fn set_masks(&mut self, masks: &Masks) {
        if !self.device.is_cpu() {
            return;
        }
        for node in 0..self.graph.nodes().len() {
            let n = &self.graph.nodes()[node];
            // Convolutions in groups have no sparse kernels: their outputs read few weights each.
            let sizes = sizes::grouped(&self.graph, node, choice::measured());
            let Some(Grouped { each: conv, groups: 1 }) = sizes else { continue };
            let name = &self.graph.params()[self.first[node]].name;
            self.sparse[node] = masks.get(name).and_then(|mask| {
                let kept = mask.kept();
                let count = kept.iter().filter(|k| **k).count();
                let choice = Choice::of(&conv, count as f64 / kept.len() as f64);
                tracing::debug!("{}: {}", n.name, choice.words());
                let any = choice.forward || choice.input_grad || choice.weight_grad;
                any.then(|| RefCell::new(Layer { choice, sparse: Sparse::new(&conv, kept) }))
            });
        }
    }

    /// Rounds the present weights where that is asked for, and arranges those of the sparse layers.
    pub(crate) fn refresh(&self) -> Result<()> {
        self.round_weights()?;
        for (node, layer) in self.sparse.iter().enumerate() {
            if let Some(layer) = layer {
                let weight = self.weight(node).candle();
                let (storage, layout) = weight.storage_and_layout();
                let (Storage::Cpu(cpu), Some((start, end))) =
                    (&*storage, layout.contiguous_offsets())
                else {
                    anyhow::bail!("sparse layers run on the processor alone")
                };
                layer.borrow_mut().sparse.set(&cpu.as_slice()?[start..end]);
            }
        }
        Ok(())
    }

    /// The kept weights of node `node`, where skipping the others pays.
    pub(crate) fn sparse(&self, node: usize) -> Option<Ref<'_, Layer>> {
        self.sparse[node].as_ref().map(RefCell::borrow)
    }

    /// The operations in groups.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Where activations come from and go back to.
    pub(crate) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Bytes of all activations and gradients that the walks have needed at the same time.
    pub fn activation_bytes(&self) -> usize {
        self.workspace.bytes()
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// All values in the order of the graph's parameters.
    pub fn values(&self) -> &[Tensor] {
        &self.values
    }

    /// All values as a checkpoint holds them.
    pub fn tensors(&self) -> Result<Tensors> {
        self.export(&self.values)
    }

    /// `values` (in the order of the graph's parameters, on the device) as a checkpoint holds them.
    pub(crate) fn export(&self, values: &[Tensor]) -> Result<Tensors> {
        let one = |(p, v): (&Param, &Tensor)| Ok((p.name.clone(), self.exported(p, v)?));
        self.graph.params().iter().zip(values).map(one).collect()
    }

    /// What goes with parameter `param`, value by value, as a checkpoint holds it.
    pub(crate) fn exported(&self, param: &Param, value: &Tensor) -> Result<tensors::Tensor> {
        let order = Order::of(&self.graph, param, &self.device);
        Ok(tensors::Tensor::f32(&param.shape, order.to_table(value.host()?)))
    }

    /// The values of the gradient `gradient` of parameter `index`, as a checkpoint would hold them.
    pub(crate) fn gradient_values(&self, index: usize, gradient: &Tensor) -> Result<Vec<f32>> {
        let param = &self.graph.params()[index];
        let order = Order::of(&self.graph, param, &self.device);
        let values = gradient.host()?;
        // On a GPU its rows may be as long as the images' padded channels.
        let (rows, own) = (param.count() / order.row(param.count()), order.row(param.count()));
        let long = values.len() / rows;
        let kept = values.chunks_exact(long).flat_map(|row| &row[..own]).copied();
        Ok(order.to_table(kept.collect()))
    }

    /// What goes with parameter `param`, value by value, on the device.
    pub(crate) fn imported(&self, param: &Param, values: Vec<f32>) -> Result<Tensor> {
        put(&self.graph, param, values, &self.device)
    }

    /// The `k`-th parameter of node `node` in the order of the table.
    pub(crate) fn param(&self, node: usize, k: usize) -> &Tensor {
        &self.values[self.first[node] + k]
    }

    /// The weight of the convolution or linear layer `node` as kernels read it.
    pub(crate) fn weight(&self, node: usize) -> &Tensor {
        #[cfg(feature = "cuda")]
        if let Some(copy) = self.copies.of(self.first[node]) {
            return copy;
        }
        self.rounded_weight(node).unwrap_or_else(|| self.param(node, 0))
    }

    /// What kernels read instead of parameter `index`.
    #[cfg(feature = "cuda")]
    pub(crate) fn copy_of(&self, index: usize) -> Option<&Tensor> {
        self.copies.of(index)
    }

    /// The index of node `node`'s first parameter.
    pub(crate) fn first_param(&self, node: usize) -> usize {
        self.first[node]
    }

    /// How many nodes read node `node`.
    pub(crate) fn readers(&self, node: usize) -> usize {
        self.readers[node]
    }

    /// Room for an activation of node `node`'s output shape, holding anything.
    pub(crate) fn activation(&self, node: usize, lanes: Lanes) -> Result<Tensor> {
        let s = self.graph.nodes()[node].shape;
        if self.device.is_cpu() {
            let shape = [lanes.blocks(), s.c, s.h, s.w, LANES];
            return self.workspace.take(&shape, &self.device);
        }
        self.workspace.activation(&[lanes.images(), s.h, s.w, s.c], &self.device)
    }

    /// What the size of a batch's activations is proportional to: its blocks, or its images.
    pub(crate) fn batch_size(&self, lanes: Lanes) -> usize {
        if self.device.is_cpu() { lanes.blocks() } else { lanes.images() }
    }

    /// A copy of `tensor`.
    pub(crate) fn copied(&self, tensor: &Tensor) -> Result<Tensor> {
        let copy = self.workspace.like(tensor, &self.device)?;
        apply(&Copy, &copy, &[tensor])?;
        Ok(copy)
    }

    /// Whether the convolution or linear layer `node` adds a bias.
    pub(crate) fn biased(&self, node: usize) -> bool {
        self.graph.index_of(node, Role::Bias).is_some()
    }

    /// The tensor of node `node` that has this role.
    pub(crate) fn of_role(&self, node: usize, role: Role) -> Option<&Tensor> {
        self.graph.index_of(node, role).map(|index| &self.values[index])
    }

    /// Whether the optimiser changes the `k`-th parameter of node `node`.
    pub(crate) fn is_trained(&self, node: usize, k: usize) -> bool {
        self.graph.params()[self.first[node] + k].trainable()
    }

    /// Scale and shift of the norm `node`, if it has them.
    pub(crate) fn affine(&self, node: usize) -> impl Iterator<Item = &Tensor> {
        [Role::NormWeight, Role::NormBias]
            .into_iter()
            .filter_map(move |role| self.of_role(node, role))
    }

    /// Scale and shift of the batch norm `node`; ones and zeros where it has none.
    pub(crate) fn affine_or_identity(&self, node: usize) -> [&Tensor; 2] {
        let mut own = self.affine(node);
        match (own.next(), own.next(), &self.identities[node]) {
            (Some(weight), Some(bias), _) => [weight, bias],
            (_, _, Some([ones, zeros])) => [ones, zeros],
            _ => unreachable!("made for every batch norm without them"),
        }
    }

    /// The kernel's sizes of a convolution or linear node: of the whole batch, in groups or not.
    pub(crate) fn conv(&self, node: usize, lanes: Lanes) -> conv::Conv {
        let grouped = sizes::grouped(&self.graph, node, lanes);
        grouped.expect("asked of convolutions and linear layers alone").full()
    }

    /// The kernel's sizes of a convolution in groups.
    pub(crate) fn grouped(&self, node: usize, lanes: Lanes) -> Option<Grouped> {
        sizes::grouped(&self.graph, node, lanes).filter(|g| g.groups > 1)
    }

    /// The kernel's sizes of a norm over node `node`'s output.
    pub(crate) fn plane(&self, node: usize, lanes: Lanes) -> norm::Plane {
        let s = self.graph.nodes()[node].shape;
        norm::Plane { lanes, channels: s.c, pixels: s.pixels() }
    }

    /// The running statistics of every batch norm, as kernels read them.
    pub(crate) fn stats(&self) -> Result<Stats> {
        let of = |node: usize| -> Result<Option<Tensor>> {
            let both = [Role::RunningMean, Role::RunningVar].map(|role| self.of_role(node, role));
            let [Some(mean), Some(variance)] = both else { return Ok(None) };
            let (mean, variance) = (mean.host()?, variance.host()?);
            let shape = [mean.len(), 2];
            let pairs = mean.into_iter().zip(variance).flat_map(|(m, v)| [m, v]).collect();
            Tensor::new(pairs, &shape, &self.device).map(Some)
        };
        Ok(Stats((0..self.graph.nodes().len()).map(of).collect::<Result<_>>()?))
    }
}

/// Mean and variance of every batch norm, interleaved a channel, by node.
pub struct Stats(Vec<Option<Tensor>>);

impl Stats {
    /// Those of the batch norm `node`.
    pub(crate) fn of(&self, node: usize) -> &Tensor {
        self.0[node].as_ref().expect("every batch norm has statistics")
    }
}

/// Ones and zeros for each batch norm without scale and shift.
fn identities(graph: &Graph, device: &Device) -> Result<Vec<Option<[Tensor; 2]>>> {
    let of = |node: &Node| match node.op {
        Op::BatchNorm(BatchNorm { affine: false, .. }) => {
            let all = |value: f32| Tensor::new(vec![value; node.shape.c], &[node.shape.c], device);
            Ok(Some([all(1.0)?, all(0.0)?]))
        }
        _ => Ok(None),
    };
    graph.nodes().iter().map(of).collect()
}

/// `values`, in the order of the graph's parameters, on `device`.
fn on_device(graph: &Graph, values: Vec<Vec<f32>>, device: &Device) -> Result<Vec<Tensor>> {
    graph.params().iter().zip(values).map(|(p, v)| put(graph, p, v, device)).collect()
}

/// `values` of the table, what goes with `param` value by value, on `device`.
fn put(graph: &Graph, param: &Param, values: Vec<f32>, device: &Device) -> Result<Tensor> {
    Tensor::new(Order::of(graph, param, device).to_device(values), &param.shape, device)
}

/// The values of a checkpoint that was checked, in the order of the graph's parameters.
fn checked(graph: &Graph, tensors: &Tensors) -> Vec<Vec<f32>> {
    let of = |p: &Param| tensors[&p.name].as_f32().expect("checked against the table").to_vec();
    graph.params().iter().map(of).collect()
}
