//! cifar
